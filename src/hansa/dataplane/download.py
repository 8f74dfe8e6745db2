"""Fetch the bytes of a transfer to disk: cut connections are gone on with, digests are checked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import structlog

from hansa.dataplane.consumer import Consumer, StreamedAnswer
from hansa.dataplane.flow import ENDED, DataFlow, FlowState, Progress
from hansa.dataplane.flows import Flows
from hansa.dataplane.inbox_bytes import file_name
from hansa.dataplane.push import Retry
from hansa.dataplane.quota import reason
from hansa.dataplane.ranges import read_content_range, read_digest
from hansa.dataplane.received import Part, Received, ReceivedFiles, digest_mismatch
from hansa.kernel import Clock, Code, HansaError

_log = structlog.get_logger("hansa.dataplane")
_NOTE_BYTES = 4 * 1024 * 1024
_MISMATCHES_MAX = 2
_ATTEMPTS_MAX = 12
"""Failures in a row, without a byte between them, before a download is given up."""


class _Whole:
    """What is known of the content that is being fetched; `etag` ties its pieces together."""

    def __init__(self, etag: str = "") -> None:
        self.etag = etag
        self.total: int | None = None
        self.digest: str | None = None
        self.name = ""
        self.media_type = ""

    def told(self, headers: dict[str, str], *, whole: bool) -> None:
        """Take over what an answer says of the whole content."""
        tag = headers.get("etag", "")
        self.etag = tag if tag.startswith('"') else ""  # only a strong one ties pieces together
        self.digest = read_digest(headers.get("repr-digest", ""))
        self.name = file_name(headers.get("content-disposition", "")) or self.name
        self.media_type = headers.get("content-type", "") or self.media_type
        if whole:
            length = headers.get("content-length", "")
            self.total = int(length) if length.isascii() and length.isdigit() else None


class Downloads:
    """The downloads of one participant. Call `close` with the node; a new start goes on.

    When all has come and its digest is right, the transfer is completed.
    """

    def __init__(
        self,
        consumer: Consumer,
        flows: Flows,
        files: ReceivedFiles,
        clock: Clock,
        *,
        retry: Retry | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` gives numbers in 0..1, so that waits differ."""
        self._consumer = consumer
        self._flows = flows
        self._files = files
        self._clock = clock
        self._retry = retry or Retry()
        self._chance = chance
        self._tasks: dict[str, asyncio.Task[Received]] = {}

    async def start(self, transfer_id: str) -> DataFlow:
        """Begin or go on in the background; the flow's progress tells how far it is.

        HansaError not_found, conflict for a push, transfer_ended.
        """
        flow = await self._flows.get(transfer_id)
        if flow.push:
            raise HansaError(Code.conflict, "This transfer is sent to us; nothing is fetched.")
        if flow.state in ENDED and await self._files.get(transfer_id) is None:
            raise HansaError(
                Code.transfer_ended, "The transfer has ended.", flow.reason or "Start a new one."
            )
        self._task(transfer_id)
        return flow

    async def download(self, transfer_id: str) -> Received:
        """Fetch all of a transfer, and complete it; give the file when it is there.

        Failures are tried again from where they cut, longer apart each time. HansaError with the
        last reason when that is hopeless, digest_mismatch, body_too_large, transfer_ended.
        """
        return await asyncio.shield(self._task(transfer_id))

    def _task(self, transfer_id: str) -> asyncio.Task[Received]:
        task = self._tasks.get(transfer_id)
        if task is None:
            task = asyncio.create_task(self._fetched(transfer_id), name=f"fetch-{transfer_id}")
            self._tasks[transfer_id] = task
            task.add_done_callback(lambda done: self._ended(transfer_id, done))
        return task

    def running(self, transfer_id: str) -> bool:
        """Say whether a download of this transfer runs."""
        return transfer_id in self._tasks

    async def stop(self, transfer_id: str) -> None:
        """Break off; what came stays, and a start goes on from there."""
        task = self._tasks.pop(transfer_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Stop all."""
        for transfer_id in list(self._tasks):
            await self.stop(transfer_id)

    def _ended(self, transfer_id: str, task: asyncio.Task[Received]) -> None:
        if self._tasks.get(transfer_id) is task:
            del self._tasks[transfer_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("download_ended", transfer=transfer_id, error=str(error)[:200])

    async def _fetched(self, transfer_id: str) -> Received:
        kept = await self._files.get(transfer_id)
        if kept is not None:
            return kept
        flow = await self._flows.get(transfer_id)
        part = self._files.part(transfer_id)
        whole = _Whole(flow.progress.position)
        failures = mismatches = 0
        while True:
            before = part.size
            try:
                await self._attempt(flow, part, whole)
                return await self._keep(flow, part, whole)
            except HansaError as error:
                failures = failures + 1 if part.size <= before else 1
                mismatches += error.code is Code.digest_mismatch
                self._note(flow, part, whole, error=reason(error))
                given_up = mismatches >= _MISMATCHES_MAX
                if given_up or await self._hopeless(flow, error, failures):
                    await self._flows.on_error(flow.id, f"{error.code.value}: {error.title}")
                    raise
            finally:
                with suppress(HansaError):  # no room for the rest: it is not part of the size
                    await part.close()
            await asyncio.sleep(self._retry.delay_s(failures, self._chance()))

    async def _hopeless(self, flow: DataFlow, error: HansaError, failures: int) -> bool:
        """Say whether to give up; a suspended transfer is waited for."""
        known = await self._flows.find(flow.id)
        if known is None or known.state in ENDED:
            return True
        if known.state is FlowState.SUSPENDED:
            return False
        return failures >= _ATTEMPTS_MAX or bool(error.facts.get("permanent"))

    async def _attempt(self, flow: DataFlow, part: Part, whole: _Whole) -> None:
        await part.open()
        if part.size and not whole.etag:
            await part.restart()  # nothing ties what is here to what would come
        if whole.total is not None and part.size == whole.total:
            return
        asked = {"Accept-Encoding": "identity"}
        if part.size:
            asked |= {"Range": f"bytes={part.size}-", "If-Range": whole.etag}
        async with self._consumer.stream(
            flow.id, "", headers=asked, bytes_max=self._files.bytes_max, bulk=True
        ) as answer:
            if answer.status == 416 and part.size:
                whole.etag = ""  # the next attempt starts anew
            await _placed(part, answer, whole)
            await self._files.quota.check(max(0, (whole.total or 0) - part.size))
            self._note(flow, part, whole)
            noted = 0
            async for block in answer.parts:
                await part.append(block)
                noted += len(block)
                if noted >= _NOTE_BYTES:
                    noted = 0
                    self._note(flow, part, whole)
        if whole.total is not None and part.size != whole.total:
            raise HansaError(
                Code.outbound_failed,
                "The answer ended early.",
                f"{part.size} of {whole.total} bytes are here.",
            )

    async def _keep(self, flow: DataFlow, part: Part, whole: _Whole) -> Received:
        found = await part.digest()
        if whole.digest is not None and found != whole.digest:
            await part.restart()
            whole.etag = ""
            raise digest_mismatch(whole.digest, found)
        received = await self._files.keep(
            part,
            transfer_id=flow.id,
            agreement_id=flow.agreement_id,
            name=whole.name,
            media_type=whole.media_type,
        )
        self._flows.progress(
            flow.id,
            Progress(
                bytes=received.size,
                total_bytes=received.size,
                items=1,
                position=whole.etag,
                digest=f"sha-256:{received.digest}",
                last_at=self._clock.now(),
            ),
        )
        await self._flows.on_done(flow.id)
        return received

    def _note(self, flow: DataFlow, part: Part, whole: _Whole, error: str | None = None) -> None:
        self._flows.progress(
            flow.id,
            Progress(
                bytes=part.size,
                total_bytes=whole.total,
                position=whole.etag,
                last_at=self._clock.now(),
                error=error,
            ),
        )


async def _placed(part: Part, answer: StreamedAnswer, whole: _Whole) -> None:
    """Bring the part to where the answer's bytes belong, or raise why they can't be used."""
    headers = answer.headers
    if answer.status == 206:
        found = read_content_range(headers.get("content-range", ""))
        if found is None or found[0].start != part.size or headers.get("etag") != whole.etag:
            whole.etag = ""
            raise HansaError(Code.outbound_failed, "The provider sent another part than asked for.")
        whole.told(headers, whole=False)
        whole.total = found[1]
        return
    if answer.status == 200:
        if part.size:
            await part.restart()
        whole.told(headers, whole=True)
        return
    raise HansaError(
        Code.counterparty_refused,
        f"The provider answered {answer.status}.",
        "The transfer may be suspended or over.",
        permanent=answer.status in (400, 404, 405, 406, 410, 501),
    )
