"""EDC's management API v3: the calls of a trade. One object per thread."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

NAMES = "https://w3id.org/edc/v0.0.1/ns/"
PROTOCOL = "dataspace-protocol-http:2025-1"
_CONTEXT = {"@vocab": NAMES}
_ODRL = "http://www.w3.org/ns/odrl.jsonld"
_POLL_S = 0.01
_ENDS = ("TERMINATED", "COMPLETED", "DEPROVISIONED")

Json = dict[str, Any]


class ManagementError(Exception):
    """EDC refused a management call; the text holds status and body."""


class LostError(Exception):
    """A process ended, or hangs, in another state than the one that was waited for."""


class Counterparty(NamedTuple):
    """Whom EDC talks to: its participant id and its DSP base URL."""

    participant: str
    dsp_url: str


class Management:
    """A client of one connector's management API."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """Make one call below `/v3`; ManagementError when the answer is no success."""
        document = None if body is None else json.dumps({"@context": _CONTEXT, **body})
        for left in (1, 0):
            try:
                self._connection.request(
                    method,
                    f"{self._path}/v3/{path}",
                    document,
                    {"Content-Type": "application/json"},
                )
                answer = self._connection.getresponse()
                raw = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                if not left:
                    raise
        if answer.status >= 300:
            raise ManagementError(f"{method} {path}: {answer.status} {raw[:500].decode()}")
        return json.loads(raw) if raw else None

    # -- as provider ---------------------------------------------------------------------------

    def publish(self, asset: str, source_url: str, permission: list[Json] | None = None) -> None:
        """Offer what lies behind an HTTP URL under one policy (default: use, unrestricted)."""
        self.call(
            "POST",
            "assets",
            {
                "@id": asset,
                "properties": {"name": asset},
                "dataAddress": {
                    "type": "HttpData",
                    "baseUrl": source_url,
                    "proxyPath": "true",
                    "proxyQueryParams": "true",
                },
            },
        )
        policy = {"@context": _ODRL, "@type": "Set", "permission": permission or _USE}
        self.call("POST", "policydefinitions", {"@id": f"{asset}-policy", "policy": policy})
        selector = {"operandLeft": f"{NAMES}id", "operator": "=", "operandRight": asset}
        self.call(
            "POST",
            "contractdefinitions",
            {
                "@id": f"{asset}-definition",
                "accessPolicyId": f"{asset}-policy",
                "contractPolicyId": f"{asset}-policy",
                "assetsSelector": [selector],
            },
        )

    # -- as consumer ---------------------------------------------------------------------------

    def catalogue(self, peer: Counterparty, *, offset: int = 0, limit: int = 50) -> Json:
        """Read one page of a counterparty's catalogue."""
        found: Json = self.call(
            "POST",
            "catalog/request",
            {
                "protocol": PROTOCOL,
                "counterPartyAddress": peer.dsp_url,
                "counterPartyId": peer.participant,
                "querySpec": {"offset": offset, "limit": limit},
            },
        )
        return found

    def offer(self, peer: Counterparty, dataset: str) -> Json:
        """Give the first offer of a dataset in a counterparty's catalogue."""
        for each in as_list(self.catalogue(peer, limit=1_000).get("dataset")):
            if each["@id"] == dataset:
                return dict(as_list(each["hasPolicy"])[0])
        raise LostError(f"{dataset} is not in the catalogue of {peer.participant}")

    def negotiate(self, peer: Counterparty, dataset: str, offer: Json) -> str:
        """Ask for a contract and give the negotiation's id at EDC."""
        policy = {
            "@context": _ODRL,
            **offer,
            "@type": "Offer",
            "assigner": peer.participant,
            "target": dataset,
        }
        return self._started(
            "contractnegotiations",
            {"protocol": PROTOCOL, "counterPartyAddress": peer.dsp_url, "policy": policy},
        )

    def transfer(
        self, peer: Counterparty, agreement: str, kind: str, destination: Json | None = None
    ) -> str:
        """Ask for a transfer (`HttpData-PULL`, `HttpData-PUSH`) and give its id at EDC."""
        body: Json = {
            "protocol": PROTOCOL,
            "counterPartyAddress": peer.dsp_url,
            "contractId": agreement,
            "transferType": kind,
        }
        if destination is not None:
            body["dataDestination"] = destination
        return self._started("transferprocesses", body)

    def address(self, transfer: str, timeout_s: float = 60.0) -> dict[str, str]:
        """Give where a started pull is fetched: `endpoint`, `authorization`, as EDC shows it."""

        def look() -> dict[str, str] | None:
            try:
                found = self.call("GET", f"edrs/{transfer}/dataaddress")
            except ManagementError:
                return None
            return {name.removeprefix(NAMES): str(value) for name, value in found.items()}

        return _until(look, f"the address of {transfer}", timeout_s)

    # -- both ------------------------------------------------------------------------------------

    def negotiation(self, number: str) -> Json:
        """Give a negotiation: `state`, at the end `contractAgreementId`, `errorDetail`."""
        return dict(self.call("GET", f"contractnegotiations/{number}"))

    def negotiations(self) -> list[Json]:
        """List all negotiations."""
        return list(self.call("POST", "contractnegotiations/request", {"limit": 10_000}))

    def transfer_process(self, number: str) -> Json:
        """Give a transfer process with its `state`."""
        return dict(self.call("GET", f"transferprocesses/{number}"))

    def transfers(self) -> list[Json]:
        """List all transfer processes."""
        return list(self.call("POST", "transferprocesses/request", {"limit": 10_000}))

    def suspend(self, transfer: str, reason: str) -> None:
        """Suspend a transfer."""
        self.call(
            "POST",
            f"transferprocesses/{transfer}/suspend",
            {"@type": "SuspendTransfer", "reason": reason},
        )

    def resume(self, transfer: str) -> None:
        """Resume a transfer that this side suspended."""
        self.call("POST", f"transferprocesses/{transfer}/resume")

    def terminate_transfer(self, transfer: str, reason: str) -> None:
        """Terminate a transfer."""
        self.call(
            "POST",
            f"transferprocesses/{transfer}/terminate",
            {"@type": "TerminateTransfer", "reason": reason},
        )

    def terminate_negotiation(self, number: str, reason: str) -> None:
        """Terminate a negotiation."""
        self.call(
            "POST",
            f"contractnegotiations/{number}/terminate",
            {"@type": "TerminateNegotiation", "@id": number, "reason": reason},
        )

    def await_negotiation(self, number: str, *states: str, timeout_s: float = 60.0) -> Json:
        """Wait for a negotiation's state; LostError when it ends in another or hangs."""
        return _await(lambda: self.negotiation(number), states, timeout_s)

    def await_transfer(self, number: str, *states: str, timeout_s: float = 60.0) -> Json:
        """Wait for a transfer's state; LostError when it ends in another or hangs.

        EDC goes on from an end to DEPROVISIONED by itself.
        """
        return _await(lambda: self.transfer_process(number), states, timeout_s)

    def _started(self, path: str, body: Json) -> str:
        return str(self.call("POST", path, body)["@id"])


_USE: list[Json] = [{"action": "use"}]


def as_list(value: Any) -> list[Any]:
    """Give a member that EDC writes as one item or as a list, as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _await(look: Callable[[], Json], states: tuple[str, ...], timeout_s: float) -> Json:
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found["state"] in states:
            return found
        if found["state"] in _ENDS or time.monotonic() > deadline:
            wanted = " or ".join(states)
            raise LostError(f"{found['state']}, not {wanted}: {found.get('errorDetail')}")
        time.sleep(_POLL_S)


def _until(
    look: Callable[[], dict[str, str] | None], what: str, timeout_s: float
) -> dict[str, str]:
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise LostError(f"waited {timeout_s} s for {what}")
        time.sleep(_POLL_S)
    return found
