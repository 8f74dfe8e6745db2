"""Refusals of a whole file or mapping; single rows are rejections, not errors."""

from __future__ import annotations

from hansa.kernel import Code, HansaError


def unreadable(title: str, detail: str = "") -> HansaError:
    """Say that the file as a whole cannot be read."""
    return HansaError(Code.invalid_request, title, detail, field="file")


def unsupported(title: str, detail: str) -> HansaError:
    """Say that a file of this kind is not read (415)."""
    return HansaError(Code.unsupported_media_type, title, detail, field="file")


def too_large(what: str, bound: str, next_step: str) -> HansaError:
    """Say which bound the file passes (413)."""
    return HansaError(
        Code.body_too_large,
        f"The file has too much: {what}.",
        f"At most {bound}. {next_step}",
        field="file",
    )


def bad_mapping(field: str, title: str, detail: str = "") -> HansaError:
    """Say which member of the mapping is wrong, as a path like `columns[2].unit_code`."""
    return HansaError(Code.invalid_field, title, detail, field=f"mapping.{field}")
