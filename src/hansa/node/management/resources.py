"""Data sets that are bytes: published as they are, and received as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hansa.catalogue import Approval, Resource
from hansa.dataplane import NgsiLdPush, StreamedAnswer, file_name, plain_name
from hansa.exchange import Role, TransferState
from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.node.management.access import Json, given
from hansa.node.management.data import Data, DatasetBody
from hansa.node.management.trade import Trade
from hansa.node.participant import Participant
from hansa.web import Upload

_PART_BYTES = 1024 * 1024
_FORWARDED = ("range", "if-range", "if-none-match")


class ResourceFrom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the bytes are: `location`, a file in the participant's folder, or a `url`.

    `headers` are our credentials at the URL; they are kept encrypted and shown to nobody.
    """

    location: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    name: str = ""
    media_type: str = ""


class Resources(Data, Trade):
    """Bytes that are published and bytes that came."""

    async def publish_resource(
        self, caller: Caller, participant: str, body: DatasetBody, source: ResourceFrom
    ) -> Json:
        """Publish a file of the node's folder, or what a URL gives, as it is."""
        p = self.participant(caller, participant)
        if bool(source.location) == bool(source.url):
            raise HansaError(
                Code.invalid_field,
                "Give either `resource.location` or `resource.url`.",
                "A file in the participant's folder of files, or an address.",
                field="resource",
            )
        names = {"name": source.name, "media_type": source.media_type}
        if source.location:
            resource = await p.shelf.adopt(source.location, **names)
        else:
            with given("resource.url"):
                resource = await p.shelf.link(source.url, headers=source.headers, **names)
        return await self._offer(p, body, resource)

    async def upload_resource(
        self,
        caller: Caller,
        participant: str,
        body: DatasetBody,
        parts: AsyncIterator[bytes],
        *,
        name: str,
        media_type: str = "",
    ) -> Json:
        """Store a file as it comes and publish it as it is; nothing is kept when it is refused."""
        p = self.participant(caller, participant)
        self.check_terms(p, body)
        resource = await p.shelf.keep(parts, name=name, media_type=media_type)
        try:
            return await self._offer(p, body, resource)
        except HansaError:
            await p.shelf.drop(resource)
            raise

    async def publish_file(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        title: str,
        template: str,
        parameters: Mapping[str, Any],
        licence: str = "",
        attribution: str = "",
        approval: Approval = "automatic",
    ) -> Json:
        """Publish what the pages were given as it is; an address is linked, not copied."""
        body = DatasetBody(
            title=title,
            template=template,
            parameters=dict(parameters),
            licence=licence,
            attribution=attribution,
            approval=approval,
        )
        if upload.path is None:
            source = ResourceFrom(url=upload.url or "", name=upload.name)
            return await self.publish_resource(caller, participant, body, source)
        parts = _parts(upload.path)
        return await self.upload_resource(caller, participant, body, parts, name=upload.name)

    async def _offer(self, p: Participant, body: DatasetBody, resource: Resource) -> Json:
        dataset = await self.offer_entities(p, body, resource=resource)
        return {"dataset": await self._own(p, dataset, {})}

    async def download(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Fetch all bytes of a running transfer to this node, or go on; see its progress."""
        p = self.participant(caller, participant)
        await p.carrying.downloads.start(transfer_id)
        return await self._transfer(p, await p.exchange.transfer(transfer_id))

    async def received(
        self, caller: Caller, participant: str, transfer_id: str
    ) -> tuple[Path, str, str, str] | None:
        """Give path, name, media type and SHA-256 of the file that came whole, or None."""
        p = self.participant(caller, participant)
        await p.exchange.transfer(transfer_id)
        found = await p.carrying.received.get(transfer_id)
        if found is None:
            return None
        return p.carrying.received.path(found), found.name, found.media_type, found.digest

    async def forget_transfer(self, caller: Caller, participant: str, transfer_id: str) -> Json:
        """Delete the data that a transfer brought here, once it is over; its log and counts stay.

        What was fetched and kept elsewhere is not known here. HansaError illegal_state.
        """
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        over = process.state in (TransferState.COMPLETED, TransferState.TERMINATED)
        if process.role is not Role.consumer or not over:
            raise HansaError(
                Code.illegal_state,
                "The data of this transfer can't be deleted now.",
                "A consumer deletes what it received, once the transfer is over.",
                next=f"hansa transfer show {transfer_id}",
            )
        mirrored = process.format in NgsiLdPush.profiles
        entities = await p.pushing.mirrors.forget(transfer_id) if mirrored else 0
        file = await p.carrying.received.forget(transfer_id)
        if entities or file:
            p.journal.note("transfer.forgotten", "Deleted what a transfer brought", transfer_id)
        return {"id": transfer_id, "entities": entities, "file": file}

    @asynccontextmanager
    async def passing(
        self, caller: Caller, participant: str, transfer_id: str, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[StreamedAnswer, str]]:
        """Open the provider's bytes for passing them on; ranges and conditions go with it.

        Give them with the name that a file of them is to have: what the provider says with the
        bytes, else what its catalogue said.
        """
        p = self.participant(caller, participant)
        process = await p.exchange.transfer(transfer_id)
        if process.role is not Role.consumer or process.push or not process.live:
            raise HansaError(
                Code.illegal_state,
                "Nothing can be fetched through this transfer now.",
                "A consumer fetches while it runs; what is sent to you lies here once it is whole.",
                next=f"hansa transfer show {transfer_id}",
            )
        asked = {name: value for name, value in headers.items() if name.lower() in _FORWARDED}
        asked["Accept-Encoding"] = "identity"
        async with p.consumer.stream(transfer_id, "", headers=asked, bulk=True) as answer:
            told = file_name(answer.headers.get("content-disposition", ""))
            known = None if told else await p.known_dataset(process.dataset_id)
            resource = None if known is None else known.resource
            yield answer, plain_name(told or (resource.name if resource is not None else ""))


async def _parts(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while part := await asyncio.to_thread(file.read, _PART_BYTES):
            yield part
    finally:
        file.close()
