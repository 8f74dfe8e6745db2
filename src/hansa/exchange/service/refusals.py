"""What to do when the counterparty refuses a message for good, or both sides disagree."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hansa.dialect import refused_too_early, writes_agreements_late
from hansa.exchange.errors import not_found
from hansa.exchange.kinds import AGREEMENTS, NEGOTIATIONS, TRANSFERS
from hansa.exchange.model import (
    ContractNegotiation,
    Process,
    Role,
    Step,
    TransferProcess,
    TransferState,
)
from hansa.exchange.service.agreements import AGREEMENT_ENDED
from hansa.exchange.service.core import Asked
from hansa.exchange.service.deciding import Decisions
from hansa.exchange.service.judging import machine_of, moved
from hansa.exchange.service.viewing import Viewing
from hansa.exchange.service.work import TRANSFER_MACHINE, Work
from hansa.exchange.state import TERMINATIONS, Message
from hansa.exchange.wire_dsp_2025_1 import PeerAnswer, read_answer
from hansa.kernel import Code, HansaError
from hansa.kernel.store import Action, ReadTx

OPENING = frozenset({Message.request, Message.offer, Message.transfer_request})
ANSWER_BYTES_MAX = 256 * 1024
_MISSING_BACKOFF_S_MAX = 0.5
UNKNOWN = "unknown"
"""The state of a counterparty that does not show it."""


class Refusals(Decisions, Viewing):
    """A refused message is tried a few times; then the counterparty's own view is read."""

    async def refused(
        self, action: Action, message: Message, process: Process, status: int, answer: PeerAnswer
    ) -> None:
        """Try again after a while, settle by the counterparty's view, or give up."""
        refusal = refusal_text(status, answer)
        late = message is Message.transfer_request and writes_agreements_late(process.dialect)
        missing = status == 404 and (late or not (message in OPENING and answer.code))
        if message in OPENING and process.state == "START" and not missing:
            await self._never_began(action, answer, refusal)
            return
        early = missing or refused_too_early(status, process.dialect)
        limits = self.limits
        tries_max = limits.missing_max if early else limits.refusals_max
        count = self._refusals[action.id] = self._refusals.get(action.id, 0) + 1
        theirs: str | None = None
        if process.peer_pid is not None and (count == 2 or count >= tries_max):
            theirs = await self.their_state_of(process)
            if await self._settled(action, theirs):
                self.forget(action)
                return
        if count < tries_max:
            delay_s = limits.refusal_backoff_s * 2 ** (count - 1)
            if early:
                delay_s = min(delay_s, _MISSING_BACKOFF_S_MAX)
            due = self.clock.now() + timedelta(seconds=delay_s)
            await self.store.write(lambda tx: tx.reschedule(action.id, due=due, error=refusal))
            return
        self.forget(action)
        if process.peer_pid is None:
            await self._never_began(action, answer, refusal)
        else:
            await self._give_up(action, message, refusal, theirs)

    async def _never_began(self, action: Action, answer: PeerAnswer, refusal: str) -> None:
        """End a process that the counterparty refused to begin; it has none."""

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = again(work, action)
            if process.state != "START":
                return
            code = answer.code or Code.counterparty_refused.value
            reason = answer.reasons or (refusal,)
            work.move(process, "TERMINATED", pending=None, code=code, reason=reason, error=refusal)
            if code == AGREEMENT_ENDED and isinstance(process, TransferProcess):
                agreement = work.tx.get(AGREEMENTS, process.agreement_id)
                if agreement is not None:
                    work.end_agreement(agreement, by=process.counterparty, reason="; ".join(reason))

        await self.commit(job)

    async def abandoned(self, action: Action, refusal: str) -> None:
        """End what we ended ourselves, and whose opening the counterparty can't answer.

        Without its pid there is no termination to send: what it may have begun is left to it.
        """

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = again(work, action)
            pending = process.pending
            if process.state == "START" and pending is not None and pending.to == "TERMINATED":
                work.tx.complete(pending.action)
                work.move(process, "TERMINATED", pending=None, error=refusal)

        await self.commit(job)

    async def their_state_of(self, process: Process) -> str | None:
        """Read the state that the counterparty shows: `unknown` when it doesn't answer.

        None when it has no such process.
        """
        try:
            answer = await self.view_of(
                process, timeout_s=self.limits.timeout_s, body_bytes_max=ANSWER_BYTES_MAX
            )
        except HansaError:
            return UNKNOWN
        if answer.status == 404:
            return None
        state = read_answer(answer.body).state if answer.ok else None
        return state if state in machine_of(process).states[1:] else UNKNOWN

    async def _settled(self, action: Action, theirs: str | None) -> bool:
        """Take over what the counterparty shows: what we send already, or an end."""

        def outcome(process: Process) -> str | None:
            pending = process.pending
            if pending is None or pending.action != action.id:
                return None
            ends = machine_of(process).terminal & {"TERMINATED", "COMPLETED", _finalized(process)}
            return theirs if theirs == pending.to or theirs in ends else None

        async def foresee() -> Step | None:
            process = await self.store.read(lambda tx: process_of(tx, action))
            target = None if process is None else outcome(process)
            if process is None or target is None:
                return None
            return Step(process=moved(process, target, self.clock.now(), pending=None))

        def job(work: Work, asked: Asked | None) -> bool:
            current = again(work, action)
            overtaken = current.pending is None or current.pending.action != action.id
            target = outcome(current)
            if target is not None:
                ours = current.pending is not None and current.pending.to == target
                why = {} if ours else {"reason": (), "code": None}  # the end is the other side's
                self.follow(work, work.move(current, target, pending=None, **why), asked)
            if target is not None or overtaken:
                work.tx.complete(action.id)
            return target is not None or overtaken

        return await self.settle(foresee, job)

    async def _give_up(
        self, action: Action, message: Message, refusal: str, theirs: str | None
    ) -> None:
        """Terminate after a lasting refusal: the two sides do not agree on the state any more.

        When not even the termination is taken, ours ends here and shows the other state.
        """

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = again(work, action)
            if process.pending is None or process.pending.action != action.id:
                return
            if message in TERMINATIONS:
                over = "TERMINATED"
                work.move(process, over, pending=None, error=refusal, their_state=theirs)
                return
            free = msgspec.structs.replace(process, pending=None)
            reason = f"{message.wire_type} was refused. {refusal}"[:1000]
            self.terminate_now(work, free, reason, Code.counterparty_refused.value)

        await self.commit(job)

    async def adopt_state(self, process_id: str) -> Process:
        """Take over the state that the counterparty shows now: the operator's way out.

        For a process that is under way, and for one that was terminated here but not there
        (`their_state`). HansaError not_found, illegal_state (ours is settled; or their state
        needs an agreement or an access that we do not have), unavailable.
        """

        def read(tx: ReadTx) -> Process | None:
            return tx.get(NEGOTIATIONS, process_id) or tx.get(TRANSFERS, process_id)

        process = await self.store.read(read)
        if process is None:
            raise not_found("process")
        theirs = await self.their_state_of(process)
        if theirs == UNKNOWN:
            raise HansaError(Code.unavailable, "The counterparty does not show its state now.")
        target = theirs or "TERMINATED"

        def job(work: Work) -> Process:
            current = read(work.tx)
            assert current is not None
            _check_adoptable(current, target)
            if current.pending is not None:
                work.tx.complete(current.pending.action)
            waiting = target not in machine_of(current).terminal
            adopted = work.move(current, target, pending=None, their_state=None)
            if not waiting:
                return adopted
            shown = msgspec.structs.replace(adopted, waiting=True)
            work.put(shown)
            return shown

        return await self.commit(job)


def _check_adoptable(process: Process, target: str) -> None:
    """Return when a state of the counterparty can be ours; HansaError illegal_state."""
    ended = process.state in machine_of(process).terminal
    if ended and process.their_state is None:
        why = "It is settled on both sides."
    elif isinstance(process, TransferProcess) and target == TransferState.STARTED:
        why = "An access that was cut is not opened again: terminate, and request a new transfer."
    elif (
        isinstance(process, ContractNegotiation)
        and target in ("AGREED", "VERIFIED", "FINALIZED")
        and process.agreement is None
    ):
        why = "We have no agreement: terminate, and negotiate a new one."
    else:
        return
    raise HansaError(
        Code.illegal_state, f"{target} cannot be taken over in state {process.state}.", why
    )


def process_of(tx: ReadTx, action: Action) -> Process | None:
    """Read the process of an action."""
    if action.machine == TRANSFER_MACHINE:
        return tx.get(TRANSFERS, action.process)
    return tx.get(NEGOTIATIONS, action.process)


def again(work: Work, action: Action) -> Process:
    """Read the process of an action anew."""
    process = work.process(action.machine == TRANSFER_MACHINE, action.process)
    assert process is not None
    return process


def refusal_text(status: int, answer: PeerAnswer) -> str:
    """Write a refusal as one line."""
    parts = [f"The counterparty answered {status}", *filter(None, [answer.code]), *answer.reasons]
    return ": ".join(parts)[:1000]


def _finalized(process: Process) -> str:
    """Give FINALIZED for a provider: only it can be behind a consumer that holds the agreement."""
    return "FINALIZED" if process.role is Role.provider else ""
