"""Read a source that a person gives: an uploaded file kept in a temporary file, or a URL."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from hansa.kernel import Code, HansaError
from hansa.kernel.problem import read_body
from hansa.web import Upload

FILE_BYTES_MAX = 200 * 1024 * 1024
_JSON_FIELDS = ("mapping", "parameters")
_BODY_MAX = 1024 * 1024
_PART_MAX = 1024 * 1024


@asynccontextmanager
async def read_source(request: Request) -> AsyncIterator[tuple[Upload, dict[str, Any]]]:
    """Give the upload and the other fields; the temporary file is gone afterwards.

    Takes multipart/form-data with `file`, or JSON with `url`. HansaError names the field.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        raw = await read_body(request, _BODY_MAX)
        try:
            fields: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise HansaError(Code.invalid_json, "The body is not a JSON object.") from error
        url = fields.pop("url", None)
        if not isinstance(url, str) or not url:
            raise HansaError(
                Code.invalid_field,
                "`url` is missing.",
                "Give a URL, or upload a file.",
                field="url",
            )
        name = url.rstrip("/").rsplit("/", 1)[-1] or "download"
        yield Upload(name=name, url=url), _decoded(fields)
        return
    if kind != "multipart/form-data":
        raise HansaError(
            Code.unsupported_media_type,
            "A source comes as multipart/form-data with `file`, or as JSON with `url`.",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > FILE_BYTES_MAX + _BODY_MAX:
        raise _too_large()
    with tempfile.TemporaryDirectory(prefix="hansa-upload-") as folder:
        try:
            form = await request.form(max_files=2, max_fields=20, max_part_size=_PART_MAX)
        except MultiPartException as error:
            raise HansaError(
                Code.invalid_request, "The form could not be read.", error.message
            ) from error
        async with _closing(form):
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise HansaError(
                    Code.invalid_field, "`file` is missing.", "Choose a file.", field="file"
                )
            path = Path(folder) / "source"
            size = await _save(file, path)
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            places = form.get("places")
            if isinstance(places, UploadFile) and places.filename:
                second = Path(folder) / "places"
                held = await _save(places, second)
                fields["places"] = Upload(name=places.filename, path=second, size_bytes=held)
            upload = Upload(name=file.filename or "file", path=path, size_bytes=size)
            yield upload, _decoded(fields)


@asynccontextmanager
async def _closing(form: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await form.close()


async def _save(file: UploadFile, path: Path) -> int:
    size = 0
    with path.open("wb") as out:
        while part := await file.read(1024 * 1024):
            size += len(part)
            if size > FILE_BYTES_MAX:
                raise _too_large()
            out.write(part)
    return size


def _too_large() -> HansaError:
    return HansaError(
        Code.body_too_large,
        "The file is too large.",
        f"At most {FILE_BYTES_MAX // 2**20} MB are read. Split it.",
        field="file",
        limit=FILE_BYTES_MAX,
    )


def _decoded(fields: dict[str, Any]) -> dict[str, Any]:
    for name in _JSON_FIELDS:
        value = fields.get(name)
        if isinstance(value, str):
            try:
                fields[name] = msgspec.json.decode(value) if value.strip() else None
            except msgspec.DecodeError as error:
                raise HansaError(
                    Code.invalid_json, f"`{name}` is not JSON.", str(error), field=name
                ) from error
        if fields.get(name) is not None and not isinstance(fields[name], dict):
            raise HansaError(Code.invalid_field, f"`{name}` must be a JSON object.", field=name)
    return fields
