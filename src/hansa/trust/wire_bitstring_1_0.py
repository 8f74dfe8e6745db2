"""Bitstring Status List 1.0 (W3C): bits as gzip and multibase base64url, in a credential.

Index 0 is the most significant bit of byte 0. A list has at least 131,072 bits, so that an entry
hides among many.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hansa.identity import vcdm
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import b64url, b64url_bytes

BITS_MIN = 131_072
BITS_BYTES_MAX = 128 * 1024
TOKEN_BYTES_MAX = 256 * 1024
LIST_TYPE = "BitstringStatusListCredential"
PURPOSE = "suspension"
LIFE = timedelta(hours=1)
_SUBJECT_TYPE = "BitstringStatusList"


def encode(bits: bytes) -> str:
    """Give the `encodedList` of a bitstring (Bitstring Status List 1.0 3.3)."""
    return "u" + b64url(gzip.compress(bits, compresslevel=6, mtime=0))


def decode(encoded: Any) -> bytes:
    """Read an `encodedList`, also without its `u`; HansaError token_malformed.

    Never unpacks more than `BITS_BYTES_MAX`.
    """
    if not isinstance(encoded, str):
        raise _bad("`encodedList` is not a string.")
    unpack = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        bits = unpack.decompress(b64url_bytes(encoded.removeprefix("u")), BITS_BYTES_MAX)
    except (ValueError, zlib.error):
        raise _bad("`encodedList` is not gzip in base64url.") from None
    if unpack.unconsumed_tail or not unpack.eof:
        raise _bad(f"It unpacks to more than {BITS_BYTES_MAX} bytes, or is cut off.")
    if len(bits) * 8 < BITS_MIN:
        raise _bad(f"It has fewer than {BITS_MIN} bits.")
    return bits


def is_set(bits: bytes | bytearray, index: int) -> bool:
    """Say whether a bit is set; IndexError outside the list."""
    if not 0 <= index < len(bits) * 8:
        raise IndexError(index)
    return bool(bits[index >> 3] & (0x80 >> (index & 7)))


def put(bits: bytearray, index: int, value: bool) -> None:
    """Set or clear a bit."""
    mask = 0x80 >> (index & 7)
    if value:
        bits[index >> 3] |= mask
    else:
        bits[index >> 3] &= ~mask & 0xFF


def payload(url: str, issuer: str, encoded: str, at: datetime) -> dict[str, Any]:
    """Give the payload of a status list credential."""
    return vcdm.credential(
        id=url,
        types=[LIST_TYPE],
        issuer=issuer,
        subject={
            "id": f"{url}#list",
            "type": _SUBJECT_TYPE,
            "statusPurpose": PURPOSE,
            "encodedList": encoded,
        },
        valid_from=at,
        valid_until=at + LIFE,
    )


def bits_of(subject: Mapping[str, Any]) -> bytes:
    """Read the subject of a status list credential; HansaError token_malformed."""
    if subject.get("type") != _SUBJECT_TYPE or subject.get("statusPurpose") != PURPOSE:
        raise _bad(f"It is not a {_SUBJECT_TYPE} for {PURPOSE}.")
    return decode(subject.get("encodedList"))


def _bad(detail: str) -> HansaError:
    return HansaError(
        Code.token_malformed, "The status list can't be read.", detail, reason="status_list"
    )
