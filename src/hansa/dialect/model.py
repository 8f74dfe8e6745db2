"""Which dialect a counterparty speaks, and what is read and written otherwise for it.

A dialect is a name, kept on a process and taken from what the counterparty sent; None is the
standard's own form. It changes how things are written, never who is let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hansa.dialect import edc

EDC = "edc"
"""Eclipse Dataspace Components, as release 0.15.1 speaks."""
BARE = "bare"
"""Authorisation type of an address whose secret is the whole `Authorization` header."""
_MARKS = {edc.CONTEXT_URL: EDC}
_TOO_EARLY = {EDC: edc.TOO_EARLY}
_SETTLING_S = {EDC: edc.SETTLING_S}
_FORGETS_S = {EDC: edc.FORGETS_S}


def recognise(document: object) -> str | None:
    """Give the dialect of a message or an answer, by the context that it names; None: standard."""
    context = document.get("@context") if isinstance(document, Mapping) else None
    for item in context if isinstance(context, list) else [context]:
        if isinstance(item, str) and item in _MARKS:
            return _MARKS[item]
    return None


def read_address(address: Mapping[str, Any]) -> dict[str, Any]:
    """Give a wire DataAddress in the standard's form (DSP 2025-1 8.1.3), whoever wrote it.

    Nothing is checked: what can't be read is left as it is, for who checks shapes.
    """
    return edc.read_address(address, BARE) if edc.wrote(address) else dict(address)


def write_address(
    address: Mapping[str, Any], dialect: str | None, *, destination: bool
) -> dict[str, Any]:
    """Give a wire DataAddress as a counterparty understands it.

    `destination` says that it is where a push is to go; else it is where a pull is served.
    """
    if dialect != EDC:
        return dict(address)
    return edc.destination(address) if destination else edc.access(address)


def authorization(auth_type: str, secret: str) -> str:
    """Give the `Authorization` header for the secret of an address."""
    return secret if auth_type == BARE else f"Bearer {secret}"


def bare_token(header: str) -> str | None:
    """Give the token of an `Authorization` header without a scheme, or None when it has one.

    EDC sends the `authorization` of an address as it stands (RFC 6750 2.1 wants `Bearer`).
    """
    return header if header and edc.TOKEN.fullmatch(header) else None


def restored_offer(
    asked: Mapping[str, Any], published: Mapping[str, Any], dialect: str | None
) -> dict[str, Any]:
    """Give the offer that a consumer asks for, as it was before its dialect rewrote ours.

    It is for comparing with what was published; an agreement is made of the published terms.
    """
    return edc.restored_offer(asked, published) if dialect == EDC else dict(asked)


def page_wanted(wanted: object) -> edc.PageWanted | None:
    """Give the page that the `filter` of a CatalogRequestMessage asks for; None: no page.

    HansaError invalid_field (400) when it is a query of EDC's that asks for more than a page.
    """
    return edc.page_wanted(wanted)


def refused_too_early(status: int, dialect: str | None) -> bool:
    """Say whether a refusal means that the counterparty has not yet noted its own last message."""
    return status in _TOO_EARLY.get(dialect or "", ())


def writes_agreements_late(dialect: str | None) -> bool:
    """Say whether a transfer under an agreement that is just final may find none there yet."""
    return dialect == EDC


def makes_agreements_anew(dialect: str | None) -> bool:
    """Say whether an agreement that is sent again comes as another one, with another id."""
    return dialect == EDC


def settling_s(dialect: str | None) -> float:
    """Give how long a counterparty needs after an exchange before the next message, in seconds."""
    return _SETTLING_S.get(dialect or "", 0.0)


def forgets_s(dialect: str | None) -> float:
    """Give after how many seconds to look whether it still knows what it acknowledged; 0: never."""
    return _FORGETS_S.get(dialect or "", 0.0)
