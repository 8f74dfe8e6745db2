"""The uploaded files of datasets that were withdrawn: deleted once nothing sends them any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hansa.catalogue import Dataset
from hansa.exchange import Role, TransferState
from hansa.kernel.store import Action, Tx
from hansa.node.journal import Event

if TYPE_CHECKING:
    from hansa.node.participant import Participant

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

    def __init__(self, participant: Participant) -> None:
        self._p = participant

    async def sending(self, dataset_id: str) -> int:
        """Count the pushes of a dataset that run (at most 1,000)."""
        found = await self._p.exchange.transfers(
            dataset=dataset_id,
            role=Role.provider.value,
            state=TransferState.STARTED.value,
            limit=_SENDING_MAX,
        )
        return sum(transfer.push for transfer in found)

    def plan(self, tx: Tx, dataset: Dataset) -> None:
        """Put in that the file goes, in the transaction that withdraws the dataset."""
        if dataset.resource is not None and self._p.shelf.uploaded(dataset.resource):
            tx.enqueue(
                Action(
                    id=self._p.ids.new(),
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
            due = self._p.clock.now() + timedelta(seconds=LOOK_AGAIN_S)
            told = f"Running transfers that still send it: {count}."
            await self._p.store.write(lambda tx: tx.reschedule(action.id, due=due, error=told))
            return
        await self._p.shelf.remove(action.body["location"])
        text = f"Deleted the file of “{action.body['title']}”"

        def done(tx: Tx) -> Event:
            tx.complete(action.id)
            return self._p.journal.keep(tx, "dataset.file_deleted", text, action.process)

        self._p.journal.tell(await self._p.store.write(done))
