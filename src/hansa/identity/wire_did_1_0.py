"""DID documents as JSON (DID Core 1.0).

Written with `JsonWebKey2020` and `publicKeyJwk`, which every peer reads, and each key listed for
all three acts. Read tolerantly: keys of other types are left out, not refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hansa.identity.model import DidDocument, Service
from hansa.kernel import Code, HansaError
from hansa.kernel.crypto import PublicKey, PublishedKey

CONTEXTS = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/suites/jws-2020/v1",
    "https://w3id.org/dspace-dcp/v1.0/dcp.jsonld",
    "https://w3id.org/dspace/2025/1/context.jsonld",
)
AUTHENTICATION = "authentication"
ASSERTION = "assertionMethod"
INVOCATION = "capabilityInvocation"
_PURPOSES = (AUTHENTICATION, ASSERTION, INVOCATION)
_METHODS_MAX = 64
_SERVICES_MAX = 64


def describe(did: str, keys: Sequence[PublishedKey], services: Sequence[Service]) -> DidDocument:
    """Give the document of a participant of ours as a value."""
    methods = {f"{did}#{published.kid}": published.key for published in keys}
    everything = frozenset(methods)
    return DidDocument(
        did=did,
        methods=methods,
        relationships=dict.fromkeys(_PURPOSES, everything),
        services=tuple(
            Service(id=each.id.rpartition("#")[2], type=each.type, endpoint=each.endpoint)
            for each in services
        ),
    )


def write(document: DidDocument) -> dict[str, Any]:
    """Give a document as JSON."""
    did, relationships = document.did, document.relationships
    return {
        "@context": list(CONTEXTS),
        "id": did,
        "verificationMethod": [
            {
                "id": name,
                "type": "JsonWebKey2020",
                "controller": did,
                "publicKeyJwk": {**key.jwk, "alg": key.algorithms[0], "use": "sig"},
            }
            for name, key in document.methods.items()
        ],
        **{
            purpose: [name for name in document.methods if name in relationships[purpose]]
            for purpose in _PURPOSES
        },
        "service": [
            {"id": f"{did}#{each.id}", "type": each.type, "serviceEndpoint": each.endpoint}
            for each in document.services
        ],
    }


def read(did: str, raw: Any) -> DidDocument:
    """Read a document; HansaError did_unresolvable when it is another's or not well-formed."""
    if not isinstance(raw, Mapping):
        raise _unfit(did, "It is not a JSON object.")
    if raw.get("id") != did:
        raise _unfit(did, "Its `id` is another DID.")
    methods: dict[str, PublicKey] = {}
    seen: set[str] = set()
    relationships = {purpose: set[str]() for purpose in _PURPOSES}
    for each in _items(did, raw, "verificationMethod", _METHODS_MAX):
        _read_method(did, each, methods, seen)
    for purpose in _PURPOSES:
        for each in _items(did, raw, purpose, _METHODS_MAX):
            if isinstance(each, str):
                relationships[purpose].add(_absolute(did, each))
            elif (name := _read_method(did, each, methods, seen)) is not None:
                relationships[purpose].add(name)
    return DidDocument(
        did=did,
        methods=methods,
        relationships={purpose: frozenset(names) for purpose, names in relationships.items()},
        services=_read_services(did, raw),
    )


def _read_method(did: str, raw: Any, methods: dict[str, PublicKey], seen: set[str]) -> str | None:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("id"), str):
        raise _unfit(did, "A verification method has no `id`.")
    name = _absolute(did, raw["id"])
    if name in seen:
        raise _unfit(did, "Two verification methods have the same `id`.")
    seen.add(name)
    jwk = raw.get("publicKeyJwk")
    if not name.startswith(f"{did}#") or not isinstance(jwk, Mapping):
        return None
    try:
        methods[name] = PublicKey.of_jwk(jwk)
    except HansaError:
        return None  # a key that we can't use may still serve another verifier
    return name


def _read_services(did: str, raw: Mapping[str, Any]) -> tuple[Service, ...]:
    found: list[Service] = []
    for each in _items(did, raw, "service", _SERVICES_MAX):
        if not isinstance(each, Mapping):
            raise _unfit(did, "A service is not an object.")
        kind, endpoint = each.get("type"), each.get("serviceEndpoint")
        name = str(each.get("id", "")).rpartition("#")[2]
        if isinstance(kind, str) and isinstance(endpoint, str):
            found.append(Service(id=name, type=kind, endpoint=endpoint))
    return tuple(found)


def _items(did: str, raw: Mapping[str, Any], member: str, most: int) -> list[Any]:
    found = raw.get(member, [])
    if not isinstance(found, list) or len(found) > most:
        raise _unfit(did, f"`{member}` is not an array of at most {most}.")
    return found


def _absolute(did: str, name: str) -> str:
    return f"{did}{name}" if name.startswith("#") else name


def _unfit(did: str, reason: str) -> HansaError:
    return HansaError(
        Code.did_unresolvable,
        f"The DID document of {did} is not usable.",
        reason,
        reason="document",
    )
