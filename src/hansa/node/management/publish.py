"""Publish a file: suggest how to read it, show what comes of it, then offer it with terms.

The room `ingest` is loaded with the first file: a node that reads none never pays for it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from hansa.catalogue import Approval, Attribute, Temporal, slug
from hansa.identity import Caller
from hansa.kernel import Code, HansaError
from hansa.node.management.access import Json, given
from hansa.node.management.data import DatasetBody
from hansa.node.management.offering import Offering
from hansa.node.participant import Participant
from hansa.web import Upload

if TYPE_CHECKING:
    from hansa import ingest

_PREVIEW_ROWS = 500
_PREVIEW_ENTITIES = 10
_BATCH = 500
_URL_TIMEOUT_S = 120.0
T = TypeVar("T")


class Publishing(Offering):
    """The publishing side of the management API."""

    async def suggest(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        mapping: Json | None,
        places: Upload | None = None,
    ) -> Json:
        """Suggest a mapping for a source, or try a given one on its first rows."""
        self.participant(caller, participant)
        async with self._file(upload) as path:
            return await asyncio.to_thread(_try, path, upload.name, mapping, places)

    async def publish(
        self,
        caller: Caller,
        participant: str,
        upload: Upload,
        *,
        mapping: Json | None,
        title: str,
        template: str,
        parameters: Mapping[str, Any],
        licence: str = "",
        attribution: str = "",
        approval: Approval = "automatic",
        places: Upload | None = None,
    ) -> Json:
        """Write a source's rows as entities with history, and publish them as a dataset.

        `places` is a second file that the mapping's geometry may join.
        """
        p = self.participant(caller, participant)
        name = await self._free_name(p, title)
        async with self._file(upload) as path:
            result = await asyncio.to_thread(_apply, path, upload.name, mapping, name, places)
            draft = DatasetBody(
                title=title,
                name=name,
                template=template,
                parameters=dict(parameters),
                types=(result.mapping.entity_type,),
                id_prefix=result.id_prefix,
                attributes=tuple(
                    msgspec.convert(info, Attribute, from_attributes=True)
                    for info in result.attributes
                ),
                licence=licence,
                attribution=attribution,
                approval=approval,
            )
            self.check_terms(p, draft)
            await _write(p, result)
            summary = result.summary
            if summary.entities == 0:
                raise HansaError(
                    Code.invalid_request,
                    "No row of the file could be used.",
                    f"{summary.rejected} rows were set aside: {_reasons(summary.rejected_by)}",
                    field="mapping",
                    next="Change the mapping and try again.",
                )
        span = Temporal(start=summary.start, end=summary.end) if summary.start else None
        draft = msgspec.structs.replace(draft, bbox=summary.bbox, temporal=span)
        dataset = await self.offer_entities(p, draft)
        rejections = result.rejections
        return {
            "dataset": await self._own(p, dataset, {}),
            "accepted": summary.accepted,
            "rejected": [_rejection(each) for each in rejections],
            "rejected_count": summary.rejected,
            "rejected_by": summary.rejected_by,
            "entities": summary.entities,
            "instances": summary.instances,
            "notes": list(result.mapping.notes) if mapping is None else [],
        }

    async def _free_name(self, p: Participant, title: str) -> str:
        name = slug(title)
        if await p.catalogue.by_name(name) is not None:
            raise HansaError(
                Code.already_exists,
                f"You publish a dataset named {name} already.",
                "Choose another title.",
                field="title",
            )
        return name

    @asynccontextmanager
    async def _file(self, upload: Upload) -> AsyncIterator[Path]:
        """Give the source as a file on disk; a URL is fetched through the guarded client."""
        if upload.path is not None:
            yield upload.path
            return
        if not upload.url:
            raise HansaError(
                Code.invalid_field, "There is no source.", "Give a file or a URL.", field="file"
            )
        with tempfile.TemporaryDirectory(prefix="hansa-source-") as folder:
            path = Path(folder) / "source"
            with given("url"):
                await self._download(upload.url, path)
            yield path

    async def _download(self, url: str, path: Path) -> None:
        from hansa.ingest import FILE_BYTES_MAX

        size = 0
        async with self.host.client.stream("GET", url, timeout_s=_URL_TIMEOUT_S) as response:
            if response.status != 200:
                raise HansaError(
                    Code.outbound_failed,
                    f"The URL answered {response.status}.",
                    "Redirects are not followed: give the final address."
                    if 300 <= response.status < 400
                    else "Open it in a browser, and give the address of the file itself.",
                    field="url",
                )
            with path.open("wb") as out:
                async for part in response.content.iter_any():
                    size += len(part)
                    if size > FILE_BYTES_MAX:
                        raise HansaError(
                            Code.outbound_too_large,
                            "The file is too large.",
                            f"At most {FILE_BYTES_MAX // 2**20} MB are read.",
                            field="url",
                        )
                    out.write(part)


def _mapping(
    raw: Json | None, source: ingest.Source, places: ingest.Source | None
) -> ingest.Mapping:
    from hansa import ingest

    if raw is None:
        return ingest.suggest_mapping(source, places=places)
    return ingest.decode_mapping(raw)


def _apply(
    path: Path, name: str, mapping: Json | None, dataset: str, places: Upload | None
) -> ingest.Result:
    from hansa import ingest

    source = ingest.read_source(path, name)
    second = _places(places)
    chosen = _mapping(mapping, source, second)
    return ingest.apply(chosen, source, dataset=dataset, places=second)


def _places(places: Upload | None) -> ingest.Source | None:
    if places is None or places.path is None:
        return None
    from hansa import ingest

    return ingest.read_source(places.path, places.name)


def _try(path: Path, name: str, mapping: Json | None, places: Upload | None) -> Json:
    from hansa import ingest

    source = ingest.read_source(path, name)
    chosen = _mapping(mapping, source, _places(places))
    result = ingest.apply(
        chosen, source, dataset="preview", places=_places(places), rows_max=_PREVIEW_ROWS
    )
    entities = list(islice(result.entities(), _PREVIEW_ENTITIES))
    summary = result.summary
    return {
        "mapping": msgspec.to_builtins(chosen),
        "preview": entities,
        "rejected": [_rejection(each) for each in result.rejections],
        "rejected_count": summary.rejected,
        "accepted": summary.accepted,
        "rows": summary.rows,
        "attributes": msgspec.to_builtins(result.attributes),
        "bbox": list(summary.bbox) if summary.bbox else None,
    }


async def _write(p: Participant, result: ingest.Result) -> None:
    """Write entities first, then their history; the file is parsed in a thread."""
    entities = await asyncio.to_thread(result.entities)
    async for batch in _batches(entities):
        written = await p.broker.upsert(batch)
        if written.failed:
            raise written.failed[0][1]
    async for batch in _batches(result.temporal()):
        await p.broker.append_history(batch)


async def _batches(items: Iterator[T]) -> AsyncIterator[list[T]]:
    while batch := await asyncio.to_thread(lambda: list(islice(items, _BATCH))):
        yield batch


def _rejection(rejection: ingest.Rejection) -> Json:
    return {
        "line": rejection.line,
        "field": rejection.field,
        "code": rejection.code.value,
        "reason": rejection.reason,
        "raw": rejection.raw,
    }


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in sorted(counts.items()))
