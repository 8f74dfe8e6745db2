"""The uploaded files of datasets that were withdrawn: deleted once nothing sends them any more."""

from __future__ import annotations

from datetime import timedelta

from hansa.catalogue import Dataset
from hansa.exchange import Exchange, Role, TransferState
from hansa.kernel import Clock, Ids
from hansa.kernel.store import Action, Store, Tx
from hansa.node.journal import Event, Journal
from hansa.node.shelf import Shelf

MACHINE = "node.leaving"
BACKOFF_S, BACKOFF_MAX_S = 1.0, 3600.0
ATTEMPTS = 1_000_000_000
LOOK_AGAIN_S = 30.0
_SENDING_MAX = 1_000


class Leaving:
    """What becomes of the file of a dataset that is withdrawn, durably: an action of the outbox.

    What is fetched is closed to new readers by the withdrawal itself, and who reads has it open. A
    push that runs opens it again after a break: it is waited for.
    """

    def __init__(
        self,
        store: Store,
        exchange: Exchange,
        shelf: Shelf,
        journal: Journal,
        *,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._store = store
        self._exchange = exchange
        self._shelf = shelf
        self._journal = journal
        self._clock = clock
        self._ids = ids

    async def sending(self, dataset_id: str) -> int:
        """Count the pushes of a dataset that run (at most 1,000)."""
        found = await self._exchange.transfers(
            dataset=dataset_id,
            role=Role.provider.value,
            state=TransferState.STARTED.value,
            limit=_SENDING_MAX,
        )
        return sum(transfer.push for transfer in found)

    def plan(self, tx: Tx, dataset: Dataset) -> None:
        """Put in that the file goes, in the transaction that withdraws the dataset."""
        if dataset.resource is not None and self._shelf.uploaded(dataset.resource):
            tx.enqueue(
                Action(
                    id=self._ids.new(),
                    machine=MACHINE,
                    process=dataset.id,
                    name="drop",
                    body={"location": dataset.resource.location, "title": dataset.title},
                )
            )

    async def work(self, action: Action) -> None:
        """Delete the file, or look again later while a push needs it."""
        count = await self.sending(action.process)
        if count:
            due = self._clock.now() + timedelta(seconds=LOOK_AGAIN_S)
            told = f"Running transfers that still send it: {count}."
            await self._store.write(lambda tx: tx.reschedule(action.id, due=due, error=told))
            return
        await self._shelf.remove(action.body["location"])
        text = f"Deleted the file of “{action.body['title']}”"

        def done(tx: Tx) -> Event:
            tx.complete(action.id)
            return self._journal.keep(tx, "dataset.file_deleted", text, action.process)

        self._journal.tell(await self._store.write(done))
