"""What the exchange and the data plane have to tell each other about a transfer."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from hansa.exchange.errors import not_found
from hansa.exchange.kinds import AGREEMENTS, TRANSFERS
from hansa.exchange.model import Role, Step, TransferProcess, TransferState
from hansa.exchange.ports import Opened
from hansa.exchange.service.core import Asked
from hansa.exchange.service.deciding import Decisions
from hansa.exchange.service.work import START, TRANSFER_MACHINE, Work
from hansa.exchange.state import TRANSFER, Message
from hansa.kernel import HansaError
from hansa.kernel.store import Action

ERROR = "ERROR"
"""What `entered` counts errors of the data plane under: they are no state."""


class Planes(Decisions):
    """Both directions: what we ask of the plane before a message, and what it reports."""

    async def plane_ready(self, transfer_id: str) -> None:
        """Take note that the data plane is ready: what waits for it is sent now."""
        if await self.send_now(transfer_id):
            self._ready.add(transfer_id)

    async def plane_completed(self, transfer_id: str) -> None:
        """Take note that all data was moved: say so, now or as soon as the protocol allows it."""

        def job(work: Work) -> None:
            process = work.tx.get(TRANSFERS, transfer_id)
            if process is None:
                raise not_found("transfer")
            if process.moved or process.state in TRANSFER.terminal:
                return
            known = msgspec.structs.replace(process, moved=True)
            pending = process.pending
            free = pending is None or pending.message == Message.transfer_start
            if free and process.state is TransferState.STARTED:
                work.decide(known, Message.transfer_completion)
            else:
                work.put(known)

        await self.commit(job)

    async def plane_errored(self, transfer_id: str, reason: str) -> None:
        """Show an error of the data plane; the state stays, and the decider decides."""

        def noted(process: TransferProcess | None) -> TransferProcess:
            if process is None:
                raise not_found("transfer")
            entered = {**process.entered, ERROR: process.entered.get(ERROR, 0) + 1}
            return msgspec.structs.replace(process, error=reason[:1000], entered=entered)

        async def foresee() -> Step | None:
            process = await self.store.read(lambda tx: tx.get(TRANSFERS, transfer_id))
            return Step(process=noted(process), error=reason)

        def job(work: Work, asked: Asked | None) -> None:
            process = noted(work.tx.get(TRANSFERS, transfer_id))
            if process.state in TRANSFER.terminal:
                return
            work.put(process)
            self.follow(work, process, asked)

        await self.settle(foresee, job)

    async def send_now(self, process_id: str) -> bool:
        """Try the message in flight again at once; False when there is none."""

        def job(work: Work) -> bool:
            process = work.process(False, process_id) or work.process(True, process_id)
            if process is None:
                raise not_found("process")
            return process.pending is not None and work.hurry(process.pending.action)

        return await self.commit(job)

    async def work_plane(self, action: Action) -> None:
        """Tell the data plane to stop, in case the first word was lost, or to send (again)."""
        if action.name == START:
            await self._start_plane(action)
        await self.stop_access(action.process)
        await self.store.write(lambda tx: tx.complete(action.id))

    async def _start_plane(self, action: Action) -> None:
        transfer = await self.find_process(TransferProcess, action.process)
        if not isinstance(transfer, TransferProcess) or not transfer.live:
            return
        try:
            await self._start(transfer)
        except HansaError as error:
            if error.status >= 500:
                raise
            refused = error

            def job(work: Work) -> None:
                process = work.tx.get(TRANSFERS, action.process)
                if process is not None and process.live:
                    reason = f"{refused.title} {refused.detail}".strip()
                    self.terminate_now(work, process, reason, refused.code.value)

            await self.commit(job)

    async def _start(self, transfer: TransferProcess) -> Opened:
        agreement = await self.store.read(lambda tx: tx.get(AGREEMENTS, transfer.agreement_id))
        assert agreement is not None
        return await self.ports.data_plane.start(transfer, agreement)

    async def opened(self, action: Action, process: TransferProcess) -> Opened:
        """Ask the data plane once for an action: each try sends the same address."""
        known = self._opened.get(action.id)
        if known is not None:
            return known
        self._ready.discard(process.id)
        if process.role is Role.provider:
            answer = await self._start(process)
        else:
            agreement = await self.store.read(lambda tx: tx.get(AGREEMENTS, process.agreement_id))
            assert agreement is not None
            answer = await self.ports.data_plane.prepare(process, agreement, None)
        if answer.ready:
            self._opened[action.id] = answer
        return answer

    async def unready(self, action: Action) -> None:
        """Wait for the data plane: it says when it is ready, and is asked when it does not."""
        early = action.process in self._ready  # it said so before we noted that we wait
        limits = self.limits
        doubled_s = limits.unready_backoff_s * 2 ** min(action.attempts, 30)
        wait_s = 0.0 if early else min(limits.unready_s, doubled_s)
        due = self.clock.now() + timedelta(seconds=wait_s)
        error = "The data plane is not ready yet."
        await self.store.write(lambda tx: tx.reschedule(action.id, due=due, error=error))

    async def unopened(self, action: Action, error: HansaError) -> None:
        """The data plane refuses: end the transfer and say why."""
        reason = f"{error.title} {error.detail}".strip()

        def job(work: Work) -> None:
            work.tx.complete(action.id)
            current = work.process(action.machine == TRANSFER_MACHINE, action.process)
            if current is None or current.pending is None or current.pending.action != action.id:
                return
            free = msgspec.structs.replace(current, pending=None)
            if free.state == TRANSFER.states[0]:  # nothing was sent: the other side knows nothing
                code = error.code.value
                work.move(free, "TERMINATED", code=code, reason=(reason,))
            else:
                self.terminate_now(work, free, reason, error.code.value)

        await self.commit(job)


def asks_plane(process: TransferProcess, message: Message) -> bool:
    """Say whether the data plane must be asked before a message is sent."""
    if message is Message.transfer_request:
        return True
    return message is Message.transfer_start and (process.role is Role.provider or process.push)
