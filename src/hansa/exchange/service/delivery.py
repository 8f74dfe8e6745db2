"""Working the outbox: send what was decided, and commit what came of it.

A message is sent after the decision is durable, and again until the counterparty has answered.
Answers: 2xx acknowledges; no answer, 5xx and "not now" are tried again for ever; another 4xx is
tried a few times (the counterparty may be one commit behind), then its view of the process is read
and, if that does not settle it, the process is terminated.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hansa.exchange.kinds import AGREEMENTS
from hansa.exchange.model import (
    Agreement,
    ContractNegotiation,
    DataAddress,
    Process,
    Role,
    TransferProcess,
    TransferState,
)
from hansa.exchange.service.core import Core
from hansa.exchange.service.transferring import AGREEMENT_ENDED
from hansa.exchange.service.work import (
    NEGOTIATION_MACHINE,
    TRANSFER_MACHINE,
    Work,
    machine_of,
    termination_of,
)
from hansa.exchange.state import TERMINATIONS, Message
from hansa.exchange.wire_dsp_2025_1 import (
    PeerAnswer,
    message_body,
    message_path,
    process_path,
    read_answer,
)
from hansa.kernel import Code, HansaError, fault
from hansa.kernel.outbound import OutboundResponse
from hansa.kernel.store import Action

_LATER_STATUS = frozenset({401, 408, 425, 429})
_LATER_CODES = frozenset({"status_unavailable", "token_expired", "token_replayed"})
_OPENING = frozenset({Message.request, Message.offer, Message.transfer_request})
_ANSWER_BYTES_MAX = 256 * 1024


class Delivery(Core):
    """The handlers of the outbox."""

    async def work_action(self, action: Action) -> None:
        """Send the message of an action, or find that it is not needed any more."""
        message = Message(action.body["message"])
        process = await self._process(action)
        if process is None or not _wanted(process, action, message):
            await self._drop(action)
            return
        address: DataAddress | None = None
        if message is Message.transfer_start and process.role is Role.provider:
            assert isinstance(process, TransferProcess)
            try:
                address = await self._open(action, process)
            except HansaError as error:
                await self._not_opened(action, process, error)
                return
            process = await self._process(action)
            if process is None or not _wanted(process, action, message):
                await self._drop(action)
                await self.stop_access(action.process)
                return
        try:
            answer = await self._post(action, process, address)
        except HansaError as error:
            await self._later(action, f"{error.code.value}: {error.title}")
            return
        read = read_answer(answer.body)
        if answer.ok:
            await self._acknowledged(action, message, read)
        elif answer.status >= 500 or _not_now(answer.status, read, process, message):
            await self._later(action, _refusal(answer.status, read))
        else:
            await self._refused(action, message, process, answer.status, read)

    async def work_stop(self, action: Action) -> None:
        """Tell the data plane once more, in case the first word was lost with the process."""
        await self.stop_access(action.process)
        await self.store.write(lambda tx: tx.complete(action.id))

    async def _process(self, action: Action) -> Process | None:
        kind: type[Process] = (
            ContractNegotiation if action.machine == NEGOTIATION_MACHINE else TransferProcess
        )
        return await self.find_process(kind, action.process)

    async def _drop(self, action: Action) -> None:
        self._forget(action)
        await self.store.write(lambda tx: tx.complete(action.id))

    def _forget(self, action: Action) -> None:
        self._refusals.pop(action.id, None)
        self._addresses.pop(action.id, None)

    async def _open(self, action: Action, process: TransferProcess) -> DataAddress:
        """Open the access once for an action: each try sends the same token."""
        address = self._addresses.get(action.id)
        if address is None:
            agreement = await self.store.read(lambda tx: tx.get(AGREEMENTS, process.agreement_id))
            assert agreement is not None
            address = await self.ports.data_plane.start(process, agreement)
            self._addresses[action.id] = address
        return address

    async def _post(
        self, action: Action, process: Process, address: DataAddress | None
    ) -> OutboundResponse:
        message = Message(action.body["message"])
        authorization = await self.ports.identity.authorization_for(process.counterparty)
        body = message_body(process, message, action.id, callback=self.base_url, address=address)
        fault.point("send.before")
        answer = await self.ports.client.request(
            "POST",
            process.callback + message_path(process, message),
            headers={"Authorization": authorization},
            json=body,
            timeout_s=self.limits.timeout_s,
            body_bytes_max=_ANSWER_BYTES_MAX,
        )
        fault.point("send.after")
        return answer

    # -- what came of it ---------------------------------------------------------------------

    async def _acknowledged(self, action: Action, message: Message, answer: PeerAnswer) -> None:
        """Commit the state that the message leads to, together with the end of its action."""
        self._forget(action)
        current = await self._process(action)
        row = await self.store.read(lambda tx: tx.action(action.id))
        if row is None and (current is None or not _ending(current)):
            return  # an inbound message was faster: nothing to commit

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = _again(work, action)
            machine = machine_of(process)
            if process.pending is None or process.state in machine.terminal:
                return
            mine = process.pending.action == action.id
            target = process.pending.to if mine else None
            if target is None:
                target = machine.sends(process.state, message, process.role)
            if target is None:
                return
            changes = _learned(process, answer)
            if isinstance(process, TransferProcess):
                changes |= _suspender(process, message)
            if mine or target in machine.terminal:
                work.tx.complete(process.pending.action)
                changes["pending"] = None
            work.move(process, target, **changes)

        await self.commit(job)

    async def _later(self, action: Action, error: str) -> None:
        """Try again after a while that doubles; show the error when it lasts."""
        limits = self.limits
        delay_s = min(limits.backoff_max_s, limits.backoff_s * 2 ** min(action.attempts, 30))
        shown = action.attempts + 1 >= limits.attempts_shown

        def job(work: Work) -> None:
            due = self.clock.now() + timedelta(seconds=delay_s)
            work.tx.reschedule(action.id, due=due, error=error)
            if shown:
                work.note(_again(work, action), error)

        await self.commit(job)

    async def _refused(
        self, action: Action, message: Message, process: Process, status: int, answer: PeerAnswer
    ) -> None:
        refusal = _refusal(status, answer)
        if message in _OPENING and process.state == "START":
            await self._never_began(action, answer, refusal)
            return
        count = self._refusals[action.id] = self._refusals.get(action.id, 0) + 1
        if count >= 2 and await self._settled(action, process):
            self._forget(action)
            return
        if count < self.limits.refusals_max:
            delay_s = self.limits.refusal_backoff_s * 2 ** (count - 1)
            due = self.clock.now() + timedelta(seconds=delay_s)
            await self.store.write(lambda tx: tx.reschedule(action.id, due=due, error=refusal))
            return
        self._forget(action)
        await self._give_up(action, message, refusal)

    async def _never_began(self, action: Action, answer: PeerAnswer, refusal: str) -> None:
        """End a process that the counterparty refused to begin; it has none."""

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = _again(work, action)
            if process.state != "START":
                return
            code = answer.code or Code.counterparty_refused.value
            reason = answer.reasons or (refusal,)
            work.move(process, "TERMINATED", pending=None, code=code, reason=reason, error=refusal)
            if code == AGREEMENT_ENDED and isinstance(process, TransferProcess):
                agreement: Agreement | None = work.tx.get(AGREEMENTS, process.agreement_id)
                if agreement is not None:
                    work.end_agreement(agreement, by=process.counterparty, reason="; ".join(reason))

        await self.commit(job)

    async def _settled(self, action: Action, process: Process) -> bool:
        """Read the counterparty's view: it may have what we send already, or be at the end."""
        try:
            authorization = await self.ports.identity.authorization_for(process.counterparty)
            answer = await self.ports.client.request(
                "GET",
                process.callback + process_path(process),
                headers={"Authorization": authorization},
                timeout_s=self.limits.timeout_s,
                body_bytes_max=_ANSWER_BYTES_MAX,
            )
        except HansaError:
            return False
        theirs = read_answer(answer.body).state if answer.ok else None

        def job(work: Work) -> bool:
            current = _again(work, action)
            pending = current.pending
            if pending is None or pending.action != action.id:
                work.tx.complete(action.id)
                return True
            if theirs == pending.to or theirs in machine_of(current).terminal & {
                "TERMINATED",
                "COMPLETED",
                _finalized(current),
            }:
                work.tx.complete(action.id)
                work.move(current, str(theirs), pending=None)
                return True
            return False

        return await self.commit(job)

    async def _give_up(self, action: Action, message: Message, refusal: str) -> None:
        """Terminate after a lasting refusal: the two sides do not agree on the state any more."""

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            process = _again(work, action)
            if process.pending is None or process.pending.action != action.id:
                return
            if message in TERMINATIONS:
                work.move(process, "TERMINATED", pending=None, error=refusal)
                return
            free = msgspec.structs.replace(process, pending=None)
            work.decide(
                free,
                termination_of(process),
                code=Code.counterparty_refused.value,
                reason=(f"{message.wire_type} was refused. {refusal}"[:1000],),
            )

        await self.commit(job)

    async def _not_opened(
        self, action: Action, process: TransferProcess, error: HansaError
    ) -> None:
        """The data plane does not give access: later when it failed, never when it refused."""
        if error.status >= 500:
            await self._later(action, f"{error.code.value}: {error.title}")
            return

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            current = _again(work, action)
            if current.pending is None or current.pending.action != action.id:
                return
            free = msgspec.structs.replace(current, pending=None)
            reason = (f"{error.title} {error.detail}".strip(),)
            work.decide(free, termination_of(free), code=error.code.value, reason=reason)

        await self.commit(job)


def _again(work: Work, action: Action) -> Process:
    process = work.process(action.machine == TRANSFER_MACHINE, action.process)
    assert process is not None
    return process


def _wanted(process: Process, action: Action, message: Message) -> bool:
    """Say whether an action still has to be done: nothing stronger or faster came in between.

    An opening message is sent even when we have changed our mind: the counterparty may have had
    it before a crash, and only its answer tells the pid that a termination needs.
    """
    if process.state in machine_of(process).terminal:
        return False
    if message in _OPENING and process.state == "START":
        return True
    return process.pending is not None and process.pending.action == action.id


def _ending(process: Process) -> bool:
    """Say whether a termination of ours is in flight."""
    return process.pending is not None and process.pending.message in TERMINATIONS


def _not_now(status: int, answer: PeerAnswer, process: Process, message: Message) -> bool:
    """Say whether a 4xx only means "not now"."""
    if status == 401 and message in _OPENING and process.state == "START":
        return answer.code in _LATER_CODES
    return status in _LATER_STATUS


def _refusal(status: int, answer: PeerAnswer) -> str:
    parts = [f"The counterparty answered {status}", *filter(None, [answer.code]), *answer.reasons]
    return ": ".join(parts)[:1000]


def _learned(process: Process, answer: PeerAnswer) -> dict[str, object]:
    if process.peer_pid is not None:
        return {}
    if process.role is Role.consumer:
        return {"provider_pid": answer.provider_pid} if answer.provider_pid else {}
    return {"consumer_pid": answer.consumer_pid} if answer.consumer_pid else {}


def _suspender(process: TransferProcess, message: Message) -> dict[str, object]:
    if message is Message.transfer_suspension:
        return {"suspended_by": process.role}
    if message is Message.transfer_start and process.state is TransferState.SUSPENDED:
        return {"suspended_by": None, "code": None, "reason": ()}
    return {}


def _finalized(process: Process) -> str:
    """Give FINALIZED for a provider: only it can be behind a consumer that holds the agreement."""
    return "FINALIZED" if process.role is Role.provider else ""
