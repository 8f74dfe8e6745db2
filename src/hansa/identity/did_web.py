"""The DID method `web`: from a URL to a DID and back (did:web, W3C CCG draft).

A port is percent-encoded once (`localhost%3A7711`), path segments are joined by colons, and a DID
with a path has its document at `<path>/did.json`.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from hansa.kernel import Code, HansaError

DID_CHARS_MAX = 255
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*\Z")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\Z")


def did_of(url: str) -> str:
    """Give the DID of a participant's base URL: `http://localhost:7711/delft-west`.

    HansaError invalid_field when the URL can't carry one (an IP address, a query, ...).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad_url(url) from error
    segments = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not plain or not _is_name(host):
        raise _bad_url(url)
    if not all(_SEGMENT.match(segment) for segment in segments):
        raise _bad_url(url)
    authority = f"{host}%3A{port}" if port else host
    did = ":".join(["did:web", authority, *segments])
    if len(did) > DID_CHARS_MAX:
        raise _bad_url(url)
    return did


def base_url_of(did: str, *, allow_loopback: bool = False) -> str:
    """Give the base URL of a did:web: https, or http for `localhost` when that is permitted.

    HansaError did_unresolvable for other methods, IP addresses, double encoding and odd segments.
    """
    parts = did.split(":")
    if len(did) > DID_CHARS_MAX or len(parts) < 3 or parts[:2] != ["did", "web"]:
        raise _bad_did(did)
    host, _, port = parts[2].partition("%3A")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _bad_did(did)
    if parts[2].endswith("%3A") or not _is_name(host):
        raise _bad_did(did)
    if not all(_SEGMENT.match(segment) for segment in parts[3:]):
        raise _bad_did(did)
    scheme = "http" if allow_loopback and host == "localhost" else "https"
    place = f"{host}:{int(port)}" if port else host
    return "/".join([f"{scheme}://{place}", *parts[3:]])


def document_url_of(did: str, *, allow_loopback: bool = False) -> str:
    """Give the address of the DID document."""
    base = base_url_of(did, allow_loopback=allow_loopback)
    return f"{base}/did.json" if did.count(":") > 2 else f"{base}/.well-known/did.json"


def _is_name(host: str) -> bool:
    if not _HOST.match(host) or len(host) > 253:
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return not host.rsplit(".", 1)[-1].isdigit()
    return False


def _bad_url(url: str) -> HansaError:
    return HansaError(
        Code.invalid_field,
        f"No did:web can be made of {url[:200]!r}.",
        "Give http(s)://<host name>[:port]/<path> without a query, and not an IP address.",
        field="url",
    )


def _bad_did(did: str) -> HansaError:
    return HansaError(
        Code.did_unresolvable,
        f"{did[:200]!r} is not a did:web that can be resolved.",
        "Its form is did:web:<host>[%3A<port>][:<path>...]; hosts are names, not IP addresses.",
    )
