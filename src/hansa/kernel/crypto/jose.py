"""Signed tokens: compact JWS (RFC 7515) with JSON claims, strictly read.

Signed with ES256. Verified: ES256, ES384, EdDSA on Ed25519 (also under its newer name `Ed25519`,
RFC 9864); RS256 only where the caller asks for it. Nothing else: no `none`, no HMAC. Keys inside a
header (`jwk`, `jku`, `x5c`) are never trusted. Duplicate members, NaN, deep nesting and critical
headers are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn

import msgspec

from hansa.kernel.crypto.keys import PublicKey, SigningKey, b64url, b64url_bytes
from hansa.kernel.errors import Code, HansaError

ALGORITHMS = frozenset({"ES256", "ES384", "EdDSA", "Ed25519"})
"""The algorithms that are verified unless the caller says otherwise."""
_KNOWN = ALGORITHMS | {"RS256"}
TOKEN_BYTES_MAX = 32 * 1024
"""Longest token that is read unless the caller says otherwise."""
DEPTH_MAX = 32
"""Deepest nesting of header or claims."""
_HEADER_BYTES_KEPT = 1024


class Unverified(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was read, not verified: nothing in it may be believed yet.

    Its claims serve to find the key, and to refuse early.
    """

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        """Give the algorithm, one of those that were allowed."""
        return str(self.header["alg"])

    @property
    def kid(self) -> str | None:
        """Give the key's name, or None."""
        return self.header.get("kid")

    @property
    def typ(self) -> str:
        """Give the media type in short form and lower case: `vc+jwt`; empty when absent."""
        return str(self.header.get("typ", "")).lower().removeprefix("application/")

    def verify(self, key: PublicKey) -> dict[str, Any]:
        """Give the claims after checking the signature; HansaError token_signature."""
        if self.algorithm not in key.algorithms:
            raise unsigned("The algorithm does not fit the key.", "alg_mismatch")
        if not key.verify(self.algorithm, self.signing_input, self.signature):
            raise unsigned("The signature does not match the content.", "bad_signature")
        return self.claims


def read(
    token: str,
    *,
    bytes_max: int = TOKEN_BYTES_MAX,
    algorithms: frozenset[str] = ALGORITHMS,
) -> Unverified:
    """Take a compact JWS apart without believing it.

    HansaError token_malformed; token_signature when the algorithm is not on the list.
    """
    if len(token) > bytes_max:
        raise malformed(f"It has more than {bytes_max} bytes.", "too_large")
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise malformed("It does not have three parts in base64url.", "shape")
    read_header = _header if len(parts[0]) <= _HEADER_BYTES_KEPT else _header.__wrapped__
    header = read_header(parts[0])
    if header["alg"] not in algorithms:
        raise unsigned("Its algorithm is not allowed.", "alg_not_allowed")
    return Unverified(
        header=header,
        claims=_object(_decoded(parts[1]), "payload"),
        signing_input=token[: token.rindex(".")].encode("ascii"),
        signature=_decoded(parts[2]),
    )


def sign(claims: Mapping[str, Any], key: SigningKey, headers: Mapping[str, Any]) -> str:
    """Give a compact JWS with ES256; `headers` without `alg`."""
    header = b64url(msgspec.json.encode({"alg": key.algorithm, **headers}))
    signing_input = f"{header}.{b64url(msgspec.json.encode(claims))}"
    return f"{signing_input}.{b64url(key.sign(signing_input.encode('ascii')))}"


def malformed(detail: str, reason: str, field: str = "") -> HansaError:
    """Give the error for a token that can't be read."""
    facts: dict[str, Any] = {"field": field} if field else {}
    return HansaError(
        Code.token_malformed, "The token can't be read.", detail, reason=reason, **facts
    )


def unsigned(detail: str, reason: str) -> HansaError:
    """Give the error for a token whose signature can't be believed."""
    return HansaError(
        Code.token_signature, "The token's signature is not accepted.", detail, reason=reason
    )


@lru_cache(maxsize=1_000)
def _header(part: str) -> dict[str, Any]:
    """Read a header; a key writes the same one into each of its tokens."""
    header = _object(_decoded(part), "header")
    if "crit" in header:
        raise malformed("It has critical headers, and none is understood here.", "crit")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _KNOWN:
        raise unsigned("Its algorithm is not allowed.", "alg_not_allowed")
    for name in ("kid", "typ"):
        if not isinstance(header.get(name, ""), str):
            raise malformed(f"Its header `{name}` is not a string.", "header")
    return header


def _decoded(part: str) -> bytes:
    try:
        return b64url_bytes(part)
    except ValueError:
        raise malformed("It does not have three parts in base64url.", "shape") from None


def _object(raw: bytes, part: str) -> dict[str, Any]:
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and _depth(raw) > DEPTH_MAX:
        raise malformed(f"Its {part} is nested deeper than {DEPTH_MAX}.", "too_deep")
    try:
        found = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise malformed(f"Its {part} is not a JSON object with unique members.", "json") from None
    if not isinstance(found, dict):
        raise malformed(f"Its {part} is not a JSON object with unique members.", "json")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate member")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    quoted = escaped = False
    for byte in raw:
        if escaped:
            escaped = False
        elif quoted:
            escaped = byte == 0x5C
            quoted = byte != 0x22
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
