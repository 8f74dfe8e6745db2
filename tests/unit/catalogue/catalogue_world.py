"""What the catalogue's tests share: drafts, callers, and peers that answer as told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hansa.catalogue import Attribute, DatasetDraft, OfferDraft, Party, Selection, Temporal
from hansa.identity import Caller
from hansa.kernel import Code, HansaError, parse_instant
from hansa.kernel.jsonld import NGSI_LD
from hansa.kernel.outbound import OutboundResponse

NORTH = "did:web:localhost%3A7711:north"
SOUTH = "did:web:localhost%3A7712:south"
EAST = "did:web:localhost%3A7713:east"
DSP_URL = "http://localhost:7711/north/dsp/2025-1"
USE: dict[str, Any] = {"permission": [{"action": "use"}]}
UNTIL: dict[str, Any] = {
    "permission": [
        {
            "action": "use",
            "constraint": [
                {
                    "leftOperand": "dateTime",
                    "operator": "lt",
                    "rightOperand": "2030-01-01T00:00:00Z",
                }
            ],
        }
    ]
}
COUNTED: dict[str, Any] = {
    "permission": [
        {
            "action": "use",
            "constraint": [{"leftOperand": "percentage", "operator": "lteq", "rightOperand": "5"}],
        }
    ]
}


def caller(did: str) -> Caller:
    """Give an authenticated participant."""
    return Caller(did=did, kind="participant")


def draft(title: str = "Energy use of shops", **changes: Any) -> DatasetDraft:
    """Give a draft with one offer that permits everything."""
    return DatasetDraft(**{"title": title, "offers": (OfferDraft(odrl=USE),), **changes})


def full_draft() -> DatasetDraft:
    """Give a draft in which every member is set."""
    return draft(
        description="Quarter-hourly consumption, modelled on floor area.",
        offers=(OfferDraft(odrl=USE), OfferDraft(odrl=UNTIL, template="until")),
        selection=Selection(types=(f"{NGSI_LD}default-context/Building",), id_prefix="urn:b:"),
        attributes=(
            Attribute(
                name="energyConsumption",
                title="Energy",
                unit_code="KWH",
                unit="kWh",
                origin="kwh",
            ),
            Attribute(name="location", kind="GeoProperty"),
        ),
        bbox=(4.35, 52.0, 4.37, 52.02),
        temporal=Temporal(
            start=parse_instant("2026-01-01T00:00:00Z"), end=parse_instant("2026-02-01T00:00:00Z")
        ),
        licence="https://creativecommons.org/licenses/by/4.0/",
        attribution="© 3DBAG by tudelft3d and 3DGI",
        labels=("derived", "synthetic"),
        keywords=("retail", "load profile"),
        themes=("http://publications.europa.eu/resource/authority/data-theme/ENER",),
    )


class Doorkeeper:
    """Takes `Bearer <did>` for authentication."""

    async def authenticate(self, headers: Mapping[str, str], *, membership: bool = True) -> Caller:
        did = headers.get("authorization", "").removeprefix("Bearer ")
        if not did:
            raise HansaError(Code.token_missing, "There is no token.", "Send one.")
        return caller(did)

    async def authorization_for(self, did: str) -> str:
        return f"Bearer {NORTH}"


class Members:
    """Knows the participants by a table of DID to DSP address."""

    def __init__(self, endpoints: Mapping[str, str]) -> None:
        self._endpoints = endpoints

    async def members(self) -> Sequence[Party]:
        return [Party(did, did.rpartition(":")[2]) for did in self._endpoints]

    async def dsp_endpoint(self, did: str) -> str:
        return self._endpoints[did]


Answer = Callable[[str, str, Mapping[str, str]], Any]


class Wire:
    """A client whose answers a function gives: (method, url, headers) to a response."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.calls: list[tuple[str, str, dict[str, str]]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        json: Any = None,
        timeout_s: float | None = None,
        body_bytes_max: int | None = None,
    ) -> OutboundResponse:
        self.calls.append((method, url, dict(headers or {})))
        result = self._answer(method, url, headers or {})
        return await result if hasattr(result, "__await__") else result


def answered(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> OutboundResponse:
    """Give a JSON answer."""
    return OutboundResponse(status, dict(headers or {}), msgspec.json.encode(body))
