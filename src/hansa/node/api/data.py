"""Operations about datasets, the catalogue, publishing and the map."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from hansa.client import (
    CataloguePage,
    Course,
    Dataset,
    Map,
    Page,
    Publication,
    SourceInfo,
    Suggestion,
)
from hansa.kernel import Code, HansaError
from hansa.node.api.bodies import DatasetChange, NewDataset, Publish, Source, Suggest
from hansa.node.api.operation import Call, Operation, P, answer, get, post
from hansa.node.management import Management
from hansa.node.management.data import DatasetBody
from hansa.node.uploads import read_source


class PublishedDataset(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset that was made."""

    dataset: Dataset


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """The dataset that was withdrawn, and what becomes of its uploaded file, if it has one."""

    id: str
    title: str
    file: Literal["deleted", "in_use"] | None = None


async def _catalogue(m: Management, c: Call) -> Any:
    q, publisher, theme = (c.text(name) or "" for name in ("q", "publisher", "theme"))
    return await m.catalogue(*c.at, q=q, publisher=publisher, theme=theme)


async def _change(m: Management, c: Call) -> Any:
    return await m.change_dataset(*c.one, c.body)


async def _publish_dataset(m: Management, c: Call) -> Any:
    body: NewDataset = c.body
    if body.resource is not None:
        return await m.publish_resource(*c.at, body, body.resource)
    return await m.publish_dataset(*c.at, body)


async def _upload(m: Management, c: Call) -> Response:
    """Take a file as the body of the request, and words about it from the query."""
    query = c.request.query_params
    given: dict[str, Any] = {name: query[name] for name in _UPLOAD if query.get(name)}
    name, media_type = given.pop("name", ""), given.pop("media_type", "")
    try:
        given["parameters"] = msgspec.json.decode(given.get("parameters", "{}"))
        body = msgspec.convert(given, DatasetBody)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise HansaError(
            Code.invalid_field, "The query does not fit.", f"{error}.", field="query"
        ) from error
    parts = c.request.stream()
    return answer(await m.upload_resource(*c.at, body, parts, name=name, media_type=media_type))


async def _add_source(m: Management, c: Call) -> Any:
    return await m.add_source(*c.at, kind=c.body.kind, half=c.body.half)


async def _features(m: Management, c: Call) -> Response:
    status, body = await m.layer_features(*c.one, at=c.text("at"))
    return Response(body, status, media_type="application/geo+json")


async def _history(m: Management, c: Call) -> Any:
    return await m.layer_history(*c.one, c.text("entity") or "")


_UPLOAD = (
    *("title", "template", "parameters", "name", "media_type"),
    *("description", "licence", "attribution", "approval"),
)
_FIELDS = (*Publish.__struct_fields__, "places")


def _known(fields: dict[str, Any]) -> None:
    for field in fields:
        if field not in _FIELDS:
            raise HansaError(
                Code.unknown_field,
                f"`{field}` is not known here.",
                f"Known: {', '.join(_FIELDS)}.",
                field=field,
            )


def _text(fields: dict[str, Any], field: str, *, required: bool = True) -> str:
    value = fields.get(field, "")
    if not isinstance(value, str) or len(value) > 4000 or (required and not value.strip()):
        raise HansaError(
            Code.invalid_field,
            f"`{field}` is missing or no text.",
            f"Give `{field}` as a text of at most 4000 characters.",
            field=field,
        )
    return value


async def _suggest(m: Management, c: Call) -> Response:
    async with read_source(c.request) as (upload, fields):
        _known(fields)
        mapping, places = fields.get("mapping"), fields.get("places")
        return answer(await m.suggest(*c.at, upload, mapping=mapping, places=places))


async def _publish(m: Management, c: Call) -> Response:
    async with read_source(c.request) as (upload, fields):
        _known(fields)
        return answer(
            await m.publish(
                *c.at,
                upload,
                mapping=fields.get("mapping"),
                title=_text(fields, "title"),
                template=_text(fields, "template"),
                parameters=fields.get("parameters") or {},
                licence=_text(fields, "licence", required=False),
                attribution=_text(fields, "attribution", required=False),
                places=fields.get("places"),
            )
        )


OPERATIONS: tuple[Operation, ...] = (
    get(
        f"{P}/datasets",
        "Own datasets",
        lambda m, c: m.datasets(*c.at, **c.page()),
        Page[Dataset],
        *("limit", "after"),
    ),
    post(
        f"{P}/datasets",
        "Publish entities as a dataset with terms",
        _publish_dataset,
        PublishedDataset,
        NewDataset,
        once=True,
    ),
    Operation(
        "POST",
        f"{P}/datasets/upload",
        "Publish the body of the request, a file of any kind, as it is",
        _upload,
        PublishedDataset,
        query=_UPLOAD,
        raw=True,
    ),
    get(f"{P}/datasets/{{id}}", "One dataset", lambda m, c: m.dataset(*c.one), Dataset),
    Operation(
        "PATCH",
        f"{P}/datasets/{{id}}",
        "Say something else about a dataset, or offer it on other terms",
        _change,
        Dataset,
        DatasetChange,
    ),
    Operation(
        "DELETE",
        f"{P}/datasets/{{id}}",
        "Withdraw a dataset; agreements on it stay",
        lambda m, c: m.withdraw_dataset(*c.one),
        Withdrawn,
    ),
    get(
        f"{P}/catalogue",
        "Datasets of all members",
        _catalogue,
        CataloguePage,
        *("q", "publisher", "theme"),
    ),
    post(f"{P}/sources", "Fill the broker from a built-in source", _add_source, SourceInfo, Source),
    post(
        f"{P}/publish",
        "Publish a file or URL as a dataset",
        _publish,
        Publication,
        Publish,
        raw=True,
    ),
    post(
        f"{P}/publish/suggest",
        "Suggest a mapping for a source",
        _suggest,
        Suggestion,
        Suggest,
        raw=True,
    ),
    get(f"{P}/map/layers", "Layers of the map", lambda m, c: m.map_layers(*c.at), Map),
    get(
        f"{P}/map/layers/{{id}}/features",
        "A layer as GeoJSON",
        _features,
        None,
        "at",
        raw=True,
        media="application/geo+json",
    ),
    get(f"{P}/map/layers/{{id}}/history", "An entity's history", _history, Course, "entity"),
)
