"""What becomes of negotiations, agreements and transfers, kept as events with the change."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hansa.catalogue import Catalogue
from hansa.exchange import (
    NEGOTIATIONS,
    TRANSFERS,
    Agreement,
    ContractNegotiation,
    TransferProcess,
)
from hansa.kernel import telemetry
from hansa.kernel.store import Tx
from hansa.node.journal import Event, Journal
from hansa.node.questions import known_in

_WORDS = {
    ("negotiation", "REQUESTED"): "Negotiation began with",
    ("negotiation", "FINALIZED"): "Contract concluded with",
    ("negotiation", "TERMINATED"): "Negotiation ended with",
    ("agreement", "ended"): "Agreement ended with",
    ("transfer", "STARTED"): "Data flow opened with",
    ("transfer", "SUSPENDED"): "Data flow paused with",
    ("transfer", "COMPLETED"): "Data flow completed with",
    ("transfer", "TERMINATED"): "Data flow stopped with",
}


class Telling:
    """The exchange's `Events`: a step that matters is an event, every other one a hint."""

    def __init__(
        self, journal: Journal, catalogue: Catalogue, title_of: Callable[[str], str]
    ) -> None:
        self._journal = journal
        self._catalogue = catalogue
        self._title_of = title_of

    def note(
        self, tx: Tx, changed: ContractNegotiation | TransferProcess | Agreement
    ) -> Callable[[], None]:
        """Keep the event of a change, if it is one, in the change's transaction (`Events`).

        A step that waits for the counterparty's acknowledgement is told when that has come.
        """
        noun, pending = "agreement", None
        if not isinstance(changed, Agreement):
            noun = "negotiation" if isinstance(changed, ContractNegotiation) else "transfer"
            pending = changed.pending
        state = changed.state.value
        word = _WORDS.get((noun, state))
        if word is None or pending is not None or _told(tx, changed):
            return partial(self._journal.moved, noun, changed.id)
        known = known_in(tx, self._catalogue, changed.dataset_id)
        title = known.title if known else changed.dataset_id
        text = f"{word} {self._title_of(changed.counterparty)}: {title}"
        event = self._journal.keep(tx, f"{noun}.{state.lower()}", text, changed.id)
        return partial(self._tell, event)

    def _tell(self, event: Event) -> None:
        noun, _, state = event.kind.partition(".")
        if noun == "negotiation" and state in ("finalized", "terminated"):
            telemetry.NEGOTIATIONS.labels(state=state.upper()).inc()
        self._journal.tell(event)


def _told(tx: Tx, changed: ContractNegotiation | TransferProcess | Agreement) -> bool:
    """Say whether it is the state that was told before: an error is no new step.

    An agreement is noted only when it begins or ends.
    """
    before: ContractNegotiation | TransferProcess | None = None
    if isinstance(changed, ContractNegotiation):
        before = tx.get(NEGOTIATIONS, changed.id)
    elif isinstance(changed, TransferProcess):
        before = tx.get(TRANSFERS, changed.id)
    if before is None or before.state is not changed.state:
        return False
    return before.pending is None or before.pending.to != changed.state
