"""The files and upstreams that one participant publishes as they are."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from hansa.catalogue import Catalogue, Dataset, Resource
from hansa.dataplane import (
    FileResource,
    UpstreamResource,
    digested,
    own_headers,
    plain_name,
    read_digest,
    store_stream,
)
from hansa.dataplane import Resource as Bytes
from hansa.kernel import Clock, Code, HansaError, Ids
from hansa.kernel.crypto import Sealer
from hansa.kernel.outbound import OutboundClient

UPLOADS = "uploads"
_PROBE_S = 10.0
_KNOWN_S = 1.0
_KNOWN_MAX = 1_000
_URL_LENGTH_MAX = 2_000
_NOT_THERE = frozenset({401, 404, 410})


class Shelf:
    """What lies in the participant's folder of files, and what it links to.

    `folder` holds files that the operator put there, and below `uploads` what was uploaded.
    """

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        client: OutboundClient,
        sealer: Sealer,
        ids: Ids,
        clock: Clock,
        *,
        bytes_max: int,
    ) -> None:
        self.folder = folder
        self.bytes_max = bytes_max
        self._catalogue = catalogue
        self._client = client
        self._sealer = sealer
        self._ids = ids
        self._clock = clock
        self._known: dict[str, tuple[float, Bytes | None]] = {}

    async def resource(self, dataset_id: str) -> Bytes | None:
        """Give the bytes of a dataset as the data plane reads them; None when it is entities.

        What was found holds for a second: a fetch of 1 kB is not to wait for the database.
        """
        now_s = self._clock.monotonic_s()
        found_s, found = self._known.get(dataset_id, (-_KNOWN_S, None))
        if now_s - found_s < _KNOWN_S:
            return found
        found = await self._read(dataset_id)
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known[dataset_id] = (now_s, found)
        return found

    async def _read(self, dataset_id: str) -> Bytes | None:
        dataset = await self._dataset(dataset_id)
        if dataset is None or dataset.resource is None:
            return None
        kept = dataset.resource
        if kept.kind == "file":
            assert kept.size is not None, "a file's size is checked when it is published"
            assert kept.digest is not None, "a file's digest is checked when it is published"
            return FileResource(
                name=kept.name,
                media_type=kept.media_type,
                path=self.folder / kept.location,
                size=kept.size,
                digest=kept.digest,
                stamp=kept.stamp,
            )
        headers: dict[str, str] = {}
        if kept.sealed is not None:
            plain = self._sealer.open(kept.sealed, _context(kept.id))
            headers = msgspec.json.decode(plain, type=dict[str, str])
        return UpstreamResource(
            name=kept.name,
            media_type=kept.media_type,
            url=kept.location,
            headers=headers,
            size=kept.size,
            digest=kept.digest,
        )

    async def has_entities(self, dataset_id: str) -> bool:
        """Say whether a dataset is entities of the broker."""
        return await self.resource(dataset_id) is None

    async def _dataset(self, dataset_id: str) -> Dataset | None:
        try:
            return await self._catalogue.get(dataset_id)
        except HansaError as error:
            if error.code is not Code.not_found:
                raise
            return None

    async def keep(
        self, parts: AsyncIterator[bytes], *, name: str, media_type: str = ""
    ) -> Resource:
        """Store an upload as it comes, digested on the way; HansaError body_too_large."""
        new = self._ids.new()
        location = f"{UPLOADS}/{new}"
        path = self.folder / location
        size, digest = await store_stream(parts, path, bytes_max=self.bytes_max)
        return Resource(
            id=new,
            kind="file",
            name=plain_name(name),
            location=location,
            media_type=media_type or media_type_of(name),
            size=size,
            digest=digest,
            stamp=path.stat().st_mtime_ns,
        )

    async def adopt(self, location: str, *, name: str = "", media_type: str = "") -> Resource:
        """Take a file that lies in the folder already; HansaError invalid_field when none does."""
        path = self._inside(location)
        stamp = path.stat().st_mtime_ns
        found = await asyncio.to_thread(digested, path)
        if found.size > self.bytes_max or path.stat().st_mtime_ns != stamp:
            raise _no_file("It is too large, or still being written.")
        return Resource(
            id=self._ids.new(),
            kind="file",
            name=plain_name(name or path.name),
            location=str(path.relative_to(self.folder.resolve())),
            media_type=media_type or media_type_of(path.name),
            size=found.size,
            digest=found.hexdigest(),
            stamp=stamp,
        )

    def _inside(self, location: str) -> Path:
        root = self.folder.resolve()
        path = (root / location).resolve()
        if not path.is_relative_to(root) or not path.is_file() or (root / UPLOADS) in path.parents:
            raise _no_file(f"Put the file into {root}, and give its name there.")
        return path

    async def link(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        name: str = "",
        media_type: str = "",
    ) -> Resource:
        """Take an HTTP address; it is asked once (HEAD) for what it tells of its bytes.

        `headers` are our credentials there: kept encrypted, sent nowhere else. HansaError
        invalid_field, outbound_blocked.
        """
        if len(url) > _URL_LENGTH_MAX:
            raise HansaError(Code.invalid_field, "The URL is too long.", field="resource.url")
        target = self._client.check(url)
        sent = own_headers(headers or {})
        new = self._ids.new()
        asked = {**sent, "Accept-Encoding": "identity"}
        answer = await self._client.request("HEAD", url, headers=asked, timeout_s=_PROBE_S)
        if answer.status in _NOT_THERE or 300 <= answer.status < 400:
            raise HansaError(
                Code.invalid_field,
                f"The address answers {answer.status}.",
                "Give the final address of the bytes, and the headers that it asks for.",
                field="resource.url",
            )
        told = answer.headers if answer.ok else {}
        length = told.get("content-length", "")
        shown = plain_name(name or target.name or str(target.host))
        return Resource(
            id=new,
            kind="http",
            name=shown,
            location=url,
            media_type=media_type
            or told.get("content-type", "").partition(";")[0].strip()
            or media_type_of(shown),
            size=int(length) if length.isascii() and length.isdigit() else None,
            digest=read_digest(told.get("repr-digest", "")),
            sealed=self._sealer.seal(msgspec.json.encode(sent), _context(new)) if sent else None,
        )

    async def drop(self, resource: Resource) -> None:
        """Delete the file of an upload that no dataset has any more; anything else stays."""
        if self.uploaded(resource):
            await self.remove(resource.location)

    def uploaded(self, resource: Resource) -> bool:
        """Say whether the bytes are an upload, and so a file of ours alone."""
        return resource.kind == "file" and resource.location.startswith(f"{UPLOADS}/")

    async def remove(self, location: str) -> None:
        """Delete the file of an upload by its place; nothing happens when it is gone."""
        assert location.startswith(f"{UPLOADS}/"), "only an upload is ours to delete"
        await asyncio.to_thread((self.folder / location).unlink, missing_ok=True)


def _context(resource_id: str) -> bytes:
    return f"catalogue/resource/{resource_id}".encode()


def media_type_of(name: str) -> str:
    """Guess a media type by the end of a name."""
    return _BY_SUFFIX.get(Path(name).suffix.lower()) or (
        mimetypes.guess_type(name)[0] or "application/octet-stream"
    )


_BY_SUFFIX = {
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
}


def _no_file(step: str) -> HansaError:
    return HansaError(
        Code.invalid_field, "There is no such file to publish.", step, field="resource.path"
    )
