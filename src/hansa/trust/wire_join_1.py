"""Joining, version 1: what an applicant and its authority send each other."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from hansa.identity import MEMBERSHIP_CREDENTIAL, vcdm
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundResponse
from hansa.trust.model import DirectoryEntry, Member

CONTEXT_URL = "https://w3id.org/hansa/credentials/1"
"""JSON-LD context of the membership credential's own terms; `CONTEXT` is its document."""
_NS = "https://w3id.org/hansa/ns#"
CONTEXT: dict[str, Any] = {
    "@context": {
        "@protected": True,
        MEMBERSHIP_CREDENTIAL: f"{_NS}{MEMBERSHIP_CREDENTIAL}",
        "memberOf": {"@id": f"{_NS}memberOf", "@type": "@id"},
        "title": f"{_NS}title",
        "roles": {"@id": f"{_NS}role", "@container": "@set"},
    }
}
BODY_BYTES_MAX = 64 * 1024

_NAMED = re.compile(r"field `([^`]*)`")
Body = TypeVar("Body", bound=msgspec.Struct)


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /{authority}/trust/requests. The DID comes from the token."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    url: Annotated[str, Meta(min_length=1, max_length=500)]
    message: Annotated[str, Meta(max_length=2000)] = ""


class RequestAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a request. The credential is there once it is approved."""

    id: str
    state: str
    reason: str | None = None
    credential: str | None = None


class DirectoryPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """GET /{authority}/trust/members. `next` is the path of the following page."""

    items: tuple[DirectoryEntry, ...]
    next: str | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """POST /{member}/trust/credentials."""

    request_id: Annotated[str, Meta(max_length=200)]
    credential: Annotated[str, Meta(max_length=32 * 1024)]


def read(raw: bytes, body: type[Body]) -> Body:
    """Read a body strictly; HansaError invalid_json or invalid_field with the field."""
    try:
        return msgspec.json.decode(raw, type=body)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at ")
        named = _NAMED.search(reason)
        unknown = named is not None and "unknown" in reason
        raise HansaError(
            Code.unknown_field if unknown else Code.invalid_field,
            "The body has a wrong member.",
            f"{reason}.",
            field=named[1] if named else place.strip("`").removeprefix("$.") or "body",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HansaError(
            Code.invalid_json, "The body is not JSON.", "Send one JSON object in UTF-8."
        ) from error


def answer_of(answer: OutboundResponse, body: type[Body]) -> Body:
    """Read the other side's answer; HansaError counterparty_refused when it is not as it should be.

    Members that are not known here are left out.
    """
    if answer.ok:
        try:
            return msgspec.json.decode(answer.body, type=body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise HansaError(
        Code.counterparty_refused,
        f"The authority answered {answer.status}: {problem_title(answer)}",
    )


def problem_title(answer: OutboundResponse) -> str:
    """Give the title of a problem+json answer (RFC 9457), or its status."""
    try:
        title = msgspec.json.decode(answer.body, type=_Problem).title
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        title = ""
    return title[:300] or f"HTTP status {answer.status}"


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""


def membership_payload(member: Member, authority: str, status_list: str) -> dict[str, Any]:
    """Give the payload of a member's credential: always the same for the same member."""
    return vcdm.credential(
        id=member.credential_id,
        types=[MEMBERSHIP_CREDENTIAL],
        contexts=[CONTEXT_URL],
        issuer=authority,
        subject={
            "id": member.did,
            "memberOf": authority,
            "title": member.title,
            "roles": list(member.roles),
        },
        valid_from=member.since,
        valid_until=member.valid_until,
        status=vcdm.status_entry(status_list, member.status_index, "suspension"),
    )


def directory_entry(member: Member) -> DirectoryEntry:
    """Give a member as other members see it."""
    return DirectoryEntry(
        did=member.did, title=member.title, url=member.url, state=member.state.value
    )
