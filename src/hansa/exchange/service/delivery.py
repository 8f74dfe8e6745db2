"""Working the outbox: send what was decided, and commit what came of it.

A message is sent after the decision is durable, and again until the counterparty has answered.
Answers: 2xx acknowledges; no answer, 5xx and "not now" are tried again for ever; another 4xx is
tried a few times (the counterparty may be one commit behind), then its view of the process is read
and, if that does not settle it, the process is terminated.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from hansa.dialect import forgets_s
from hansa.exchange.model import Process, Role, Step, TransferProcess, TransferState
from hansa.exchange.ports import Opened
from hansa.exchange.service.core import Asked
from hansa.exchange.service.judging import machine_of, moved
from hansa.exchange.service.planes import Planes, asks_plane
from hansa.exchange.service.refusals import (
    ANSWER_BYTES_MAX,
    OPENING,
    Refusals,
    again,
    process_of,
    refusal_text,
)
from hansa.exchange.service.work import DECIDE, REMIND, Work
from hansa.exchange.state import TERMINATIONS, Message
from hansa.exchange.wire_dsp_2025_1 import PeerAnswer, message_body, message_path, read_answer
from hansa.kernel import HansaError, fault
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.rate import retry_after_s
from hansa.kernel.store import Action, ReadTx

_log = structlog.get_logger("hansa.exchange")
_REMINDERS_MAX = 5
_LATER_STATUS = frozenset({401, 408, 425, 429})
_LATER_CODES = frozenset({"status_unavailable", "token_expired", "token_replayed"})


class Delivery(Refusals, Planes):
    """The handlers of the outbox."""

    async def work_action(self, action: Action) -> None:
        """Send the message of an action, or find that it is not needed any more."""
        if action.name == DECIDE:
            await self.work_decision(action)
            return
        if action.name == REMIND:
            await self._remind(action)
            return
        message = Message(action.body["message"])
        process = await self.store.read(lambda tx: process_of(tx, action))
        if process is None or not _wanted(process, action, message):
            await self._drop(action)
            return
        opened = Opened()
        if isinstance(process, TransferProcess) and asks_plane(process, message):
            try:
                opened = await self.opened(action, process)
            except HansaError as error:
                if error.status >= 500:
                    await self._later(action, f"{error.code.value}: {error.title}")
                else:
                    await self.unopened(action, error)
                return
            process = await self.store.read(lambda tx: process_of(tx, action))
            if process is None or not _wanted(process, action, message):
                await self._drop(action)
                await self.stop_access(action.process)
                return
            if not opened.ready:
                await self.unready(action)
                return
        try:
            answer = await self._post(action, process, opened)
        except HansaError as error:
            await self._later(action, f"{error.code.value}: {error.title}")
            return
        read = read_answer(answer.body)
        if answer.ok:
            await self._acknowledged(action, message, read)
        elif answer.status >= 500 or _not_now(answer.status, read, process, message):
            refusal = refusal_text(answer.status, read)
            unwanted = message in OPENING and process.state == "START" and _ending(process)
            if unwanted and action.attempts + 1 >= self.limits.attempts_shown:
                await self.abandoned(action, refusal)
            else:
                asked_s = 0.0 if unwanted else retry_after_s(answer.headers)
                await self._later(action, refusal, asked_s)
        else:
            await self.refused(action, message, process, answer.status, read)

    async def _drop(self, action: Action) -> None:
        self.forget(action)
        await self.store.write(lambda tx: tx.complete(action.id))

    async def _post(self, action: Action, process: Process, opened: Opened) -> OutboundResponse:
        message = Message(action.body["message"])
        authorization = await self.ports.identity.authorization_for(process.counterparty)
        body = message_body(
            process, message, action.id, callback=self.base_url, address=opened.address
        )
        fault.point("send.before")
        answer = await self.ports.client.request(
            "POST",
            process.callback + message_path(process, message),
            headers={"Authorization": authorization},
            json=body,
            timeout_s=self.limits.timeout_s,
            body_bytes_max=ANSWER_BYTES_MAX,
        )
        fault.point("send.after")
        return answer

    # -- what came of it ---------------------------------------------------------------------

    async def _acknowledged(self, action: Action, message: Message, answer: PeerAnswer) -> None:
        """Commit the state that the message leads to, together with the end of its action."""
        self.forget(action)
        current, row = await self.store.read(
            lambda tx: (process_of(tx, action), tx.action(action.id))
        )
        if row is None and (current is None or not _ending(current)):
            return  # an inbound message was faster: nothing to commit
        seen = [current]

        async def foresee() -> Step | None:
            process = seen.pop() if seen else await self.store.read(find)
            found = None if process is None else _outcome(process, action, message, answer)
            if process is None or found is None:
                return None
            return Step(process=moved(process, found[0], self.clock.now(), **found[1]))

        def find(tx: ReadTx) -> Process | None:
            return process_of(tx, action)

        def job(work: Work, asked: Asked | None) -> None:
            work.tx.complete(action.id)
            process = again(work, action)
            found = _outcome(process, action, message, answer)
            if found is None:
                return
            target, changes = found
            overtaken = process.pending if "pending" in changes else None
            if overtaken is not None and overtaken.action != action.id:
                work.tx.complete(overtaken.action)
            result = work.move(process, target, **changes)
            work.remind(result, message)
            if result.entered != process.entered:
                self.follow(work, result, asked)

        await self.settle(foresee, job)

    async def _remind(self, action: Action) -> None:
        """Send again what the counterparty acknowledged and has forgotten; look a few times."""
        message = Message(action.body["message"])
        process = await self.store.read(lambda tx: process_of(tx, action))
        moved_on = process is None or process.pending or process.state != action.body["state"]
        if process is None or moved_on or action.attempts >= _REMINDERS_MAX:
            await self._drop(action)
            return
        machine, theirs = machine_of(process), await self.their_state_of(process)
        known = theirs is not None and theirs in machine.states and theirs != process.state
        if not known or machine.accepts(str(theirs), message, process.role) != process.state:
            await self._drop(action)
            return
        told = f"It acknowledged {message.wire_type} and shows {theirs}: sent again."
        _log.warning("forgotten", process=process.id, message=message.value, theirs=theirs)
        with suppress(HansaError):
            await self._post(action, process, Opened())
        due = self.clock.now() + timedelta(seconds=forgets_s(process.dialect))
        await self.store.write(lambda tx: tx.reschedule(action.id, due=due, error=told))

    async def _later(self, action: Action, error: str, asked_s: float = 0.0) -> None:
        """Try again after a while that doubles, or that was asked for; show an error that lasts."""
        limits = self.limits
        delay_s = min(limits.backoff_max_s, limits.backoff_s * 2 ** min(action.attempts, 30))
        delay_s = max(delay_s, asked_s)
        shown = action.attempts + 1 >= limits.attempts_shown

        def job(work: Work) -> None:
            due = self.clock.now() + timedelta(seconds=delay_s)
            work.tx.reschedule(action.id, due=due, error=error)
            if shown:
                work.note(again(work, action), error)

        await self.commit(job)


def _outcome(
    process: Process, action: Action, message: Message, answer: PeerAnswer
) -> tuple[str, dict[str, Any]] | None:
    """Give the state that an acknowledged message leads to and what else changes, if anything."""
    machine = machine_of(process)
    pending = process.pending
    if pending is None or process.state in machine.terminal:
        return None
    mine = pending.action == action.id
    target = pending.to if mine else machine.sends(process.state, message, process.role)
    if target is None:
        return None
    changes = _learned(process, answer)
    if isinstance(process, TransferProcess):
        changes |= _suspender(process, message)
    if mine or target in machine.terminal:
        changes["pending"] = None
    return target, changes


def _wanted(process: Process, action: Action, message: Message) -> bool:
    """Say whether an action still has to be done: nothing stronger or faster came in between.

    An opening message is sent even when we have changed our mind: the counterparty may have had
    it before a crash, and only its answer tells the pid that a termination needs.
    """
    if process.state in machine_of(process).terminal:
        return False
    if message in OPENING and process.state == "START":
        return True
    return process.pending is not None and process.pending.action == action.id


def _ending(process: Process) -> bool:
    """Say whether a termination of ours is in flight."""
    return process.pending is not None and process.pending.message in TERMINATIONS


def _not_now(status: int, answer: PeerAnswer, process: Process, message: Message) -> bool:
    """Say whether a 4xx only means "not now"."""
    if status == 401 and message in OPENING and process.state == "START":
        return answer.code in _LATER_CODES
    return status in _LATER_STATUS


def _learned(process: Process, answer: PeerAnswer) -> dict[str, Any]:
    learned = dict[str, Any]()
    if answer.dialect is not None and process.dialect is None:
        learned["dialect"] = answer.dialect
    if process.peer_pid is None:
        name = "provider_pid" if process.role is Role.consumer else "consumer_pid"
        theirs = getattr(answer, name)
        if theirs:
            learned[name] = theirs
    return learned


def _suspender(process: TransferProcess, message: Message) -> dict[str, Any]:
    if message is Message.transfer_suspension:
        return {"suspended_by": process.role}
    if message is Message.transfer_start and process.state is TransferState.SUSPENDED:
        return {"suspended_by": None, "code": None, "reason": ()}
    return {}
