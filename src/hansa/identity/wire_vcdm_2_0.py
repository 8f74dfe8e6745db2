"""Credentials and presentations as JWT (VCDM 2.0, secured by VC-JOSE-COSE).

The payload is the credential itself, without a `vc` or `vp` claim; in a presentation each
credential is an `EnvelopedVerifiableCredential` with a `data:application/vc+jwt,` URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hansa.identity.model import Credential, Presentation, StatusEntry
from hansa.kernel import HansaError, iso, parse_instant
from hansa.kernel.crypto.jose import malformed

CONTEXT = "https://www.w3.org/ns/credentials/v2"
CREDENTIAL_TYP = "vc+jwt"
PRESENTATION_TYP = "vp+jwt"
CREDENTIALS_MAX = 8
_ENVELOPE = "data:application/vc+jwt,"
_STATUS_ENTRY = "BitstringStatusListEntry"
_INDEX_MAX = 2**31


def presentation(
    holder: str, credentials: Sequence[str], *, audience: str, at: datetime, life_s: int
) -> dict[str, Any]:
    """Give the payload of a presentation of enveloped credentials for one audience."""
    issued = int(at.timestamp())
    return {
        "@context": [CONTEXT],
        "type": ["VerifiablePresentation"],
        "holder": holder,
        "verifiableCredential": [
            {
                "@context": CONTEXT,
                "type": "EnvelopedVerifiableCredential",
                "id": f"{_ENVELOPE}{credential}",
            }
            for credential in credentials
        ],
        "iss": holder,
        "aud": audience,
        "iat": issued,
        "exp": issued + life_s,
    }


def credential(
    *,
    id: str,
    types: Sequence[str],
    contexts: Sequence[Any] = (),
    issuer: str,
    subject: Mapping[str, Any],
    valid_from: datetime,
    valid_until: datetime,
    status: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Give the payload of a credential."""
    payload: dict[str, Any] = {
        "@context": [CONTEXT, *contexts],
        "id": id,
        "type": ["VerifiableCredential", *types],
        "issuer": issuer,
        "validFrom": iso(valid_from),
        "validUntil": iso(valid_until),
        "credentialSubject": dict(subject),
        "iss": issuer,
        "iat": int(valid_from.timestamp()),
        "exp": int(valid_until.timestamp()),
    }
    if status is not None:
        payload["credentialStatus"] = dict(status)
    return payload


def status_entry(status_list: str, index: int, purpose: str) -> dict[str, Any]:
    """Give a `credentialStatus` (Bitstring Status List 1.0 2.1); the index is a string."""
    return {
        "id": f"{status_list}#{index}",
        "type": _STATUS_ENTRY,
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": status_list,
    }


def read_presentation(claims: Mapping[str, Any]) -> Presentation:
    """Read the payload of a presentation; HansaError token_malformed names the member."""
    _check_envelope(claims, "VerifiablePresentation", "vp")
    holder = _identifier(claims.get("holder"), "holder")
    if claims.get("iss", holder) != holder:
        raise _bad("iss", "it differs from `holder`")
    items = claims.get("verifiableCredential")
    items = items if isinstance(items, list) else [items]
    if len(items) > CREDENTIALS_MAX:
        raise _bad("verifiableCredential", f"there are more than {CREDENTIALS_MAX}")
    return Presentation(
        holder=holder,
        audience=_audience(claims),
        expires=_numeric_date(claims, "exp"),
        credentials=tuple(_enveloped(item) for item in items),
    )


def read_credential(claims: Mapping[str, Any]) -> Credential:
    """Read the payload of a credential; HansaError token_malformed names the member."""
    _check_envelope(claims, "VerifiableCredential", "vc")
    issuer = _identifier(claims.get("issuer"), "issuer")
    if claims.get("iss", issuer) != issuer:
        raise _bad("iss", "it differs from `issuer`")
    identifier = claims.get("id")
    if not isinstance(identifier, str) or claims.get("jti", identifier) != identifier:
        raise _bad("id", "it is missing or differs from `jti`")
    subject = claims.get("credentialSubject")
    if isinstance(subject, list) and len(subject) == 1:
        subject = subject[0]
    if not isinstance(subject, Mapping) or not isinstance(subject.get("id", ""), str):
        raise _bad("credentialSubject", "it is not one object")
    valid_from, valid_until = _instant(claims, "validFrom"), _instant(claims, "validUntil")
    expires = _numeric_date(claims, "exp")
    if valid_until <= valid_from:
        raise _bad("validUntil", "it is not after `validFrom`")
    return Credential(
        id=identifier,
        types=frozenset(_strings(claims, "type")),
        issuer=issuer,
        subject=subject.get("id", ""),
        claims=subject,
        valid_from=valid_from,
        valid_until=min(valid_until, expires) if expires else valid_until,
        status=_status(claims),
    )


def _check_envelope(claims: Mapping[str, Any], expected_type: str, old_claim: str) -> None:
    contexts = claims.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != CONTEXT:
        raise _bad("@context", f"it does not begin with {CONTEXT}")
    if expected_type not in _strings(claims, "type"):
        raise _bad("type", f"{expected_type} is missing")
    if old_claim in claims:
        raise _bad(old_claim, "this claim belongs to version 1.1")


def _enveloped(item: Any) -> str:
    if isinstance(item, Mapping) and "EnvelopedVerifiableCredential" in _strings(item, "type"):
        url = item.get("id")
        if isinstance(url, str) and url.startswith(_ENVELOPE):
            return url[len(_ENVELOPE) :]
    raise _bad("verifiableCredential", f"an entry is not enveloped with {_ENVELOPE}")


def _status(claims: Mapping[str, Any]) -> StatusEntry | None:
    raw = claims.get("credentialStatus")
    if raw is None:
        return None
    for entry in raw if isinstance(raw, list) else [raw]:
        if not isinstance(entry, Mapping):
            raise _bad("credentialStatus", "it is not an object")
        if entry.get("type") != _STATUS_ENTRY or entry.get("statusPurpose") != "suspension":
            continue
        index, address = entry.get("statusListIndex"), entry.get("statusListCredential")
        if not isinstance(index, str) or not (index.isascii() and index.isdigit()):
            raise _bad("credentialStatus.statusListIndex", "it is not a decimal string")
        if len(index) > 10 or int(index) > _INDEX_MAX:
            raise _bad("credentialStatus.statusListIndex", "it is too large")
        if not isinstance(address, str):
            raise _bad("credentialStatus.statusListCredential", "it is not a URL")
        return StatusEntry(status_list=address, index=int(index), purpose="suspension")
    return None


def _identifier(value: Any, member: str) -> str:
    found = value.get("id") if isinstance(value, Mapping) else value
    if not isinstance(found, str) or not found:
        raise _bad(member, "it is missing")
    return found


def _strings(claims: Mapping[str, Any], member: str) -> list[str]:
    value = claims.get(member)
    found: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str):
            raise _bad(member, "it is not a string or an array of strings")
        found.append(item)
    return found


def _audience(claims: Mapping[str, Any]) -> str | None:
    value = claims.get("aud")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is not None and not isinstance(value, str):
        raise _bad("aud", "it is not one audience")
    return value


def _instant(claims: Mapping[str, Any], member: str) -> datetime:
    try:
        return parse_instant(str(claims[member]))
    except (KeyError, ValueError):
        raise _bad(member, "it is not an instant with a time zone") from None


def _numeric_date(claims: Mapping[str, Any], member: str) -> datetime | None:
    value = claims.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**33:
        raise _bad(member, "it is not a time in seconds")
    return datetime.fromtimestamp(value, UTC)


def _bad(member: str, reason: str) -> HansaError:
    return malformed(f"In the credential or presentation, `{member}`: {reason}.", "shape", member)
