"""What providers say of pushes that pass this node by, to the consumer's own broker or server."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hansa.exchange import TransferProcess, TransferProgress, TransferState
from hansa.kernel import Clock

Ask = Callable[[TransferProcess], Awaitable[TransferProgress | None]]
_APART_S = 2.0
_KEPT_MAX = 1_000
_OVER = (TransferState.COMPLETED, TransferState.TERMINATED)


class _Question(NamedTuple):
    at_s: float
    over: bool
    answer: asyncio.Task[TransferProgress | None]


class Asking:
    """Ask a provider when somebody looks, at most once in 2 s for a transfer, and at its end.

    Who looks while a question is under way waits for its answer. Nothing is written: the newest
    answers of 1,000 transfers stay in memory.
    """

    def __init__(self, ask: Ask, clock: Clock) -> None:
        """`ask` fails never: a provider that does not tell is None (`Exchange.their_progress`)."""
        self._ask = ask
        self._clock = clock
        self._questions: OrderedDict[str, _Question] = OrderedDict()

    async def progress(self, transfer: TransferProcess) -> TransferProgress | None:
        """Give what the provider says now, or said within the last 2 s; None: it does not tell."""
        if transfer.provider_pid is None:
            return None
        known, now_s = self._questions.get(transfer.id), self._clock.monotonic_s()
        over = transfer.state in _OVER
        old = known is None or now_s - known.at_s >= _APART_S or known.over is not over
        if known is None or (old and known.answer.done()):
            known = _Question(now_s, over, asyncio.ensure_future(self._ask(transfer)))
            self._questions[transfer.id] = known
            self._questions.move_to_end(transfer.id)
            while len(self._questions) > _KEPT_MAX:
                self._questions.popitem(last=False)
        return await asyncio.shield(known.answer)

    def last(self, transfer_id: str) -> TransferProgress | None:
        """Give what the provider said last, without asking; None when that is not known."""
        known = self._questions.get(transfer_id)
        answered = known is not None and known.answer.done() and not known.answer.cancelled()
        return known.answer.result() if known is not None and answered else None

    async def close(self) -> None:
        """Wait for no answer any more."""
        open_ = [question.answer for question in self._questions.values()]
        for answer in open_:
            answer.cancel()
        await asyncio.gather(*open_, return_exceptions=True)
