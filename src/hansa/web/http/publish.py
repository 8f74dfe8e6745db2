"""Publish: how do I share this file? Two steps: choose a source, then mapping and terms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.datastructures import UploadFile
from starlette.responses import Response
from starlette.routing import Route

from hansa.kernel import Code, HansaError
from hansa.web import mapping_form, offer_form
from hansa.web.drafts import FILE_BYTES_MAX
from hansa.web.http.endpoint import Pages, Visit, action, page
from hansa.web.ports import Json, Upload

_CHUNK = 256 * 1024
_REJECTED_SHOWN = 100


def routes(pages: Pages) -> list[Route]:
    """Give the routes of publishing."""
    return [
        page(pages, "/publish", choose),
        action(pages, "/publish", take),
        page(pages, "/publish/{draft}", prepare),
        action(pages, "/publish/{draft}/try", try_mapping),
        action(pages, "/publish/{draft}", publish),
    ]


async def choose(visit: Visit) -> Response:
    """Show the drop zone."""
    return visit.page("publish.html", "publish")


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


async def take(visit: Visit) -> Response:
    """Keep the uploaded file or the address as a draft."""
    length = visit.request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > FILE_BYTES_MAX + _CHUNK:
        raise HansaError(
            Code.body_too_large,
            "The file is too large for this page.",
            f"At most {FILE_BYTES_MAX // 1_048_576} MiB; use `hansa publish FILE` for more.",
            field="file",
        )
    url = await visit.field("url")
    file = (await visit.form()).get("file")
    drafts = visit.pages.drafts
    owner = f"{visit.caller.did} {visit.id}"
    if isinstance(file, UploadFile) and file.filename:
        key = await drafts.keep_file(owner, file.filename, _chunks(file))
    elif url.startswith(("http://", "https://")):
        key = await drafts.keep_url(owner, url)
    else:
        raise HansaError(
            Code.invalid_field,
            "There is no file and no address.",
            "Choose a file, or give an address that starts with https://.",
            field="file",
        )
    return visit.go(f"/publish/{quote(key, safe='')}")


async def _prepared(
    visit: Visit, mapping: Json | None, *, problem: HansaError | None = None
) -> Response:
    owner = f"{visit.caller.did} {visit.id}"
    upload = await visit.pages.drafts.get(owner, visit.param("draft"))
    failed: HansaError | None = problem
    unread: HansaError | None = None
    suggestion: Json = {"mapping": mapping or {}, "preview": [], "rejected": []}
    try:
        suggestion = await visit.source.suggest(visit.caller, visit.id, upload, mapping=mapping)
    except HansaError as error:
        unread = error
        if mapping is not None:
            failed = failed or error
    templates = await visit.source.templates(visit.caller)
    table = offer_form.preview_rows(suggestion["preview"])
    pretty = msgspec.json.format(msgspec.json.encode(suggestion["mapping"]), indent=2).decode()
    facts: dict[str, Any] = {
        "upload": upload,
        "draft": visit.param("draft"),
        "suggestion": suggestion,
        "rejected_shown": suggestion["rejected"][:_REJECTED_SHOWN],
        "rejected_count": suggestion.get("rejected_count", len(suggestion["rejected"])),
        "names": offer_form.attribute_names(suggestion, table["columns"]),
        "places": offer_form.places(suggestion["preview"]),
        "bbox": suggestion.get("bbox"),
        "preview": table,
        "heads": offer_form.heads(suggestion, table["columns"]),
        "mapping_text": pretty,
        "mapping_shown": mapping_form.digest(pretty),
        "lines": mapping_form.lines(suggestion["mapping"]),
        "kinds": mapping_form.KINDS,
        "values": mapping_form.VALUES,
        "templates": templates["items"],
        "problem": failed,
        "unread": unread,
        "tried": mapping is not None,
        "islands": ("area",),
        "form": await visit.form() if visit.request.method == "POST" else {},
    }
    status = failed.status if failed is not None else 200
    return visit.page("publish_terms.html", "publish", status=status, **facts)


async def prepare(visit: Visit) -> Response:
    """Show the suggested mapping with a preview and the rows that did not fit."""
    return await _prepared(visit, None)


async def try_mapping(visit: Visit) -> Response:
    """Show the preview under an edited mapping."""
    try:
        mapping = mapping_form.read(offer_form.texts(await visit.form()))
    except HansaError as error:
        return await _prepared(visit, None, problem=error)
    return await _prepared(visit, mapping)


async def _share(visit: Visit, upload: Upload, given: dict[str, list[str]]) -> Json:
    """Publish what was filled in: rows as entities, or the file as it is."""
    title = await visit.field("title", required="The title")
    templates = (await visit.source.templates(visit.caller))["items"]
    template, parameters = offer_form.chosen(given, templates)
    words: dict[str, Any] = {
        "title": title,
        "template": template,
        "parameters": parameters,
        "licence": await visit.field("licence"),
        "attribution": await visit.field("attribution"),
        "approval": "operator" if await visit.field("approval") == "operator" else "automatic",
    }
    if await visit.field("as") == "file":
        return await visit.source.publish_file(visit.caller, visit.id, upload, **words)
    mapping = mapping_form.read(given)
    return await visit.source.publish(visit.caller, visit.id, upload, mapping=mapping, **words)


async def publish(visit: Visit) -> Response:
    """Publish with terms; a problem is shown on the form with all that was filled in."""
    mapping: Json | None = None
    try:
        mapping = mapping_form.read(offer_form.texts(await visit.form()))
        owner = f"{visit.caller.did} {visit.id}"
        upload = await visit.pages.drafts.get(owner, visit.param("draft"))
        done = await _share(visit, upload, offer_form.texts(await visit.form()))
    except HansaError as error:
        if error.code is Code.not_found:
            raise
        return await _prepared(visit, mapping, problem=error)
    await visit.pages.drafts.drop(visit.param("draft"))
    if done.get("rejected"):
        count = done.get("rejected_count", len(done["rejected"]))
        return visit.page("published.html", "publish", result=done, rejected_count=count)
    return visit.go(f"/datasets/{quote(str(done['dataset']['id']), safe='')}", done="published")
