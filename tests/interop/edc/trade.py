"""Hansa and a real EDC trade with each other, both ways round: `make interop-edc`.

Not collected with the other tests: it needs a JDK, Maven and a minute. EDC runs as it is; Hansa is
a node with the test profile, because this EDC has a mock identity (see `tests/conformance`).
"""

from __future__ import annotations

import hashlib
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest
from tests.conformance.profile import Profile
from tests.interop.edc.connector import VERSION, Connector
from tests.interop.edc.losses import lost_by_edc
from tests.interop.edc.management import (
    Counterparty,
    LostError,
    Management,
    as_list,
)
from tests.interop.edc.report import SEEN

from hansa.catalogue import DatasetDraft, OfferDraft, Selection
from hansa.exchange import ContractNegotiation, LogEntry, TransferProcess
from hansa.kernel.telemetry import configure_logging
from hansa.policy import offer_from_template

T = TypeVar("T")
AT_ONCE = 50
ASSETS = 60
OVER = ("TERMINATED", "DEPROVISIONED")
PULL, PUSH = "HttpData-PULL", "HttpData-PUSH"
USE: dict[str, Any] = {"permission": [{"action": "use"}]}
RAIN = Selection(types=("https://example.org/Rain",))
RIVER = b'{"level_m": 1.25}'
PAYLOAD = bytes(range(256)) * 1024


class Web(ThreadingHTTPServer):
    """What EDC's data is fetched from, and where pushes arrive: `/river`, and any path by POST."""

    def __init__(self) -> None:
        self.arrived: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://localhost:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Web

    def do_GET(self) -> None:
        body = PAYLOAD if self.path.startswith("/payload") else RIVER
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.arrived[self.path] = body
        self.server.headers[self.path] = dict(self.headers)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST  # noqa: N815 - the name that the server looks for

    def log_message(self, *_: object) -> None:
        pass


class Floor:
    """The two connectors and what is on offer at each."""

    def __init__(self, profile: Profile, edc: Connector, did: str, web: Web) -> None:
        self.profile, self.edc, self.did, self.web = profile, edc, did, web
        self.management = Management(edc.management_url)
        self.us = Counterparty(profile.did, profile.dsp_url)
        self.exchange = profile.participant.exchange

    # -- Hansa's side --------------------------------------------------------------------------

    def publish(self, name: str, odrl: dict[str, Any] = USE, **members: Any) -> None:
        """Publish a dataset of ours under an offer named after it."""
        draft = DatasetDraft(
            id=name,
            name=name.replace(".", "-"),
            title=name,
            offers=(OfferDraft(id=f"offer:{name}", odrl=odrl),),
            **members,
        )
        self.profile.call(self.profile.participant.catalogue.publish(draft))

    def offer_bytes(self, name: str, body: bytes) -> None:
        """Publish a file of ours."""
        shelf = self.profile.participant.shelf
        shelf.folder.mkdir(parents=True, exist_ok=True)
        (shelf.folder / name).write_bytes(body)
        self.publish(name, resource=self.profile.call(shelf.adopt(name)))

    def negotiation(self, number: str) -> ContractNegotiation:
        return self.profile.call(self.exchange.negotiation(number))

    def transfer(self, number: str) -> TransferProcess:
        return self.profile.call(self.exchange.transfer(number))

    def ours(self, peer_pid: str) -> Any:
        """Give our side of a process of EDC's."""
        processes: list[Any] = [*self.profile.call(self.exchange.negotiations())]
        processes += self.profile.call(self.exchange.transfers())
        return next(each for each in processes if each.peer_pid == peer_pid)

    def buy(self, dataset: str, terms: dict[str, Any] | None = None) -> str:
        """Negotiate with EDC as consumer; give the agreement's id."""
        if terms is None:
            found = self.profile.call(self.profile.participant.remote.dataset(self.did, dataset))
            terms = dict(found.offers[0].odrl)
        begun = self.profile.call(self.exchange.negotiate(self.did, dataset, terms))
        ended = eventually(
            lambda: self.negotiation(begun.id),
            lambda found: found.state in ("FINALIZED", "TERMINATED"),
        )
        assert ended.state == "FINALIZED", (ended.code, ended.reason, ended.error)
        return str(ended.agreement_id)

    def request(self, agreement: str, form: str = PULL) -> str:
        """Ask EDC for a transfer and wait until it has started; give our id of it."""
        begun = self.profile.call(self.exchange.request_transfer(agreement, form))
        self.until(begun.id, "STARTED", *(("COMPLETED",) if form == PUSH else ()))
        return begun.id

    def until(self, transfer: str, *states: str) -> TransferProcess:
        """Wait until a transfer of ours has one of the states and nothing is on its way."""
        return eventually(
            lambda: self.transfer(transfer),
            lambda found: found.state in states and found.pending is None,
        )

    def fetch(self, transfer: str, path: str = "") -> tuple[int, bytes]:
        """Fetch from EDC's data plane with the access of a transfer of ours."""
        answer = self.profile.call(self.profile.participant.consumer.fetch(transfer, path))
        return answer.status, answer.body

    # -- both ------------------------------------------------------------------------------------

    def begun(self) -> dict[str, dict[str, Any]]:
        """Give all processes at EDC by their ids there."""
        found = [*self.management.negotiations(), *self.management.transfers()]
        return {str(each["@id"]): each for each in found}

    def lost(self, known: Container[str]) -> list[str]:
        """Say how EDC lost processes that are not among the known, if it did."""
        lost = []
        for number, theirs in self.begun().items():
            if number not in known:
                ours = self.ours(number) if has(self, number) else None
                how = lost_by_edc(theirs, ours, self.told(ours))
                lost += [] if how is None else [f"{number}: {how}"]
        return lost

    def told(self, ours: Any) -> list[LogEntry]:
        """Give the messages of a process of ours."""
        return [] if ours is None else self.profile.call(self.exchange.messages(ours.id))

    # -- EDC's side ------------------------------------------------------------------------------

    def edc_buys(self, dataset: str) -> str:
        """Let EDC negotiate with us; give the agreement's id at EDC."""
        begun = self.management.negotiate(self.us, dataset, self.management.offer(self.us, dataset))
        try:
            done = self.management.await_negotiation(begun, "FINALIZED")
        except LostError as lost:
            raise AssertionError(f"{lost}; here: {self.story(begun)}") from lost
        return str(done["contractAgreementId"])

    def story(self, peer_pid: str) -> Any:
        """Tell how a negotiation went on our side."""
        if not has(self, peer_pid):
            return "nothing"
        ours = self.ours(peer_pid)
        messages = self.profile.call(self.exchange.messages(ours.id))
        told = [f"{each.direction} {each.type} {each.body}" for each in messages]
        return [ours.state, ours.code, ours.reason, ours.error, *told]

    def edc_pulls(self, agreement: str) -> tuple[str, dict[str, str]]:
        """Let EDC start a pull; give its id at EDC and the address that EDC shows its user."""
        begun = self.management.transfer(self.us, agreement, PULL)
        self.management.await_transfer(begun, "STARTED")
        return begun, self.management.address(begun)


def eventually(look: Callable[[], T], enough: Callable[[T], bool], timeout_s: float = 60.0) -> T:
    """Look again until it is enough."""
    deadline = time.monotonic() + timeout_s
    while not enough(found := look()):
        assert time.monotonic() < deadline, f"after {timeout_s} s it is {found}"
        time.sleep(0.02)
    return found


def get(address: dict[str, str], path: str = "", **headers: str) -> tuple[int, bytes]:
    """Fetch as a user of EDC does: the authorisation as EDC shows it, without a scheme."""
    request = urllib.request.Request(
        address["endpoint"] + path, headers={"Authorization": address["authorization"], **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


@pytest.fixture(scope="module")
def floor(request: pytest.FixtureRequest) -> Iterator[Floor]:
    configure_logging("error")
    tick_ms = request.config.getoption("--tick-ms", 50) or None
    with ExitStack() as left:
        web = Web()
        left.callback(web.server_close)
        left.callback(web.shutdown)
        profile = left.enter_context(Profile())
        did = f"did:web:localhost%3A{profile.port}:profile:edc"
        edc = left.enter_context(Connector(did, tick_ms=tick_ms))
        root = edc.dsp_url.removesuffix("/2025-1")
        assert profile.introduce("edc", f"{root}/.well-known/dspace-version") == did
        SEEN["EDC"] = {
            "release": VERSION,
            "tick_ms": tick_ms or "default",
            "ready_s": round(edc.ready_s, 1),
        }
        made = Floor(profile, edc, did, web)
        left.callback(made.management.close)
        made.management.publish("river", f"{web.url}/river")
        made.management.publish("payload", f"{web.url}/payload")
        made.offer_bytes("report.bin", PAYLOAD)
        made.publish("rain", selection=RAIN)
        made.publish("asked", selection=RAIN, approval="operator")
        yield made


# -- Hansa provides, EDC consumes ----------------------------------------------------------------


def test_edc_reads_our_catalogue(floor: Floor) -> None:
    found = floor.management.catalogue(floor.us)
    datasets = {each["@id"]: each for each in as_list(found["dataset"])}
    assert {"report.bin", "rain"} <= set(datasets)
    formats = {each["format"] for each in as_list(datasets["report.bin"]["distribution"])}
    assert {PULL, PUSH} <= formats


def test_edc_reads_our_catalogue_page_by_page(floor: Floor) -> None:
    whole = [each["@id"] for each in as_list(floor.management.catalogue(floor.us)["dataset"])]
    pages = [
        each["@id"]
        for offset in range(0, len(whole) + 1)
        for each in as_list(
            floor.management.catalogue(floor.us, offset=offset, limit=1).get("dataset")
        )
    ]
    assert pages == whole


def test_edc_negotiates_with_us(floor: Floor) -> None:
    offer = floor.management.offer(floor.us, "rain")
    begun = floor.management.negotiate(floor.us, "rain", offer)
    done = floor.management.await_negotiation(begun, "FINALIZED")
    ours = eventually(lambda: floor.ours(begun), lambda found: found.state == "FINALIZED")
    assert (ours.role, ours.counterparty, ours.dialect) == ("provider", floor.did, "edc")
    assert done["correlationId"] == ours.id
    agreement = floor.management.call("GET", f"contractnegotiations/{begun}/agreement")
    assert (agreement["providerId"], agreement["consumerId"]) == (floor.profile.did, floor.did)


@pytest.mark.parametrize(
    ("template", "parameters"),
    [
        ("members", {}),
        ("until", {"until": "2099-12-31"}),
        ("purpose", {"purpose": "research, teaching"}),
        ("count", {"count": "10"}),
        ("recent", {"max_age": "P7D"}),
        ("area", {"area": "POLYGON((4.3 51.9,4.4 51.9,4.4 52.1,4.3 52.1,4.3 51.9))"}),
    ],
)
def test_edc_negotiates_each_kind_of_our_terms(
    floor: Floor, template: str, parameters: dict[str, str]
) -> None:
    name = f"by-template-{template}"
    terms = offer_from_template(template, parameters, offer_id=f"offer:{name}")
    floor.publish(name, terms, selection=RAIN)
    floor.edc_buys(name)


def test_edc_pulls_our_bytes(floor: Floor) -> None:
    _, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    status, body = get(address)
    assert status == 200
    assert hashlib.sha256(body).digest() == hashlib.sha256(PAYLOAD).digest()
    status, part = get(address, Range="bytes=100-299")
    assert (status, part) == (206, PAYLOAD[100:300])


def test_edc_pulls_our_entities(floor: Floor) -> None:
    _, address = floor.edc_pulls(floor.edc_buys("rain"))
    assert get(address, "/entities?type=https%3A%2F%2Fexample.org%2FRain") == (200, b"[]")
    assert get({**address, "authorization": "0" * 43})[0] == 401


def test_we_push_our_bytes_to_where_edc_wants_them(floor: Floor) -> None:
    agreement = floor.edc_buys("report.bin")
    begun = floor.management.transfer(
        floor.us, agreement, PUSH, {"type": "HttpData", "baseUrl": f"{floor.web.url}/from-hansa"}
    )
    floor.management.await_transfer(begun, "COMPLETED")
    assert floor.web.arrived["/from-hansa"] == PAYLOAD


def test_edc_suspends_and_resumes_what_it_pulls(floor: Floor) -> None:
    begun, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    floor.management.suspend(begun, "a pause")
    floor.management.await_transfer(begun, "SUSPENDED")
    assert get(address)[0] in (401, 403)
    ours = floor.ours(begun)
    assert (ours.state, ours.reason) == ("SUSPENDED", ("a pause",))
    floor.management.resume(begun)
    floor.management.await_transfer(begun, "STARTED")
    again = eventually(
        lambda: floor.management.address(begun),
        lambda found: found["authorization"] != address["authorization"],
    )
    assert get(again) == (200, PAYLOAD)
    assert get(address)[0] in (401, 403)


def test_we_suspend_and_resume_what_edc_pulls(floor: Floor) -> None:
    begun, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    ours = floor.ours(begun).id
    floor.until(ours, "STARTED")
    floor.profile.call(floor.exchange.suspend_transfer(ours, "our pause"))
    floor.management.await_transfer(begun, "SUSPENDED")
    floor.until(ours, "SUSPENDED")
    assert get(address)[0] in (401, 403)
    floor.profile.call(floor.exchange.resume_transfer(ours))
    floor.management.await_transfer(begun, "STARTED")
    again = eventually(
        lambda: floor.management.address(begun),
        lambda found: found["authorization"] != address["authorization"],
    )
    assert get(again) == (200, PAYLOAD)


def test_edc_terminates_what_it_pulls(floor: Floor) -> None:
    begun, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    floor.management.terminate_transfer(begun, "enough")
    floor.management.await_transfer(begun, *OVER)
    ours = eventually(lambda: floor.ours(begun), lambda found: found.state == "TERMINATED")
    assert ours.reason == ("enough",)
    assert get(address)[0] in (401, 403)


def test_we_terminate_what_edc_pulls(floor: Floor) -> None:
    begun, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    ours = floor.ours(begun).id
    floor.profile.call(floor.exchange.terminate_transfer(ours, "the contract was broken"))
    assert get(address)[0] in (401, 403)
    floor.management.await_transfer(begun, *OVER)


def test_our_policy_refuses_edc_with_the_reason(floor: Floor) -> None:
    past = {
        "leftOperand": "odrl:dateTime",
        "operator": "lt",
        "rightOperand": "2020-01-01T00:00:00Z",
    }
    floor.publish("stale", {"permission": [{"action": "use", "constraint": [past]}]})
    begun = floor.management.negotiate(floor.us, "stale", floor.management.offer(floor.us, "stale"))
    with pytest.raises(LostError) as lost:
        floor.management.await_negotiation(begun, "FINALIZED")
    assert "TERMINATED" in str(lost.value)
    ours = eventually(lambda: floor.ours(begun), lambda found: found.state == "TERMINATED")
    assert ours.code == "policy_denied", (ours.code, ours.reason)
    SEEN["our policy's refusal, as EDC shows it"] = str(lost.value)[:500]


def test_an_agreement_that_we_end_ends_what_edc_pulls(floor: Floor) -> None:
    begun, address = floor.edc_pulls(floor.edc_buys("report.bin"))
    agreement = floor.ours(begun).agreement_id
    floor.profile.call(floor.exchange.end_agreement(agreement, "no longer"))
    assert get(address)[0] in (401, 403)
    floor.management.await_transfer(begun, *OVER)


def edc_waits_for_our_operator(floor: Floor) -> tuple[str, ContractNegotiation]:
    """Let EDC ask for what our operator decides about; give its id there and our side."""
    offer = floor.management.offer(floor.us, "asked")
    begun = floor.management.negotiate(floor.us, "asked", offer)
    floor.management.await_negotiation(begun, "REQUESTED")
    return begun, eventually(lambda: floor.ours(begun), lambda found: found.waiting)


def test_edc_terminates_a_negotiation_that_waits_for_us(floor: Floor) -> None:
    begun, _ = edc_waits_for_our_operator(floor)
    floor.management.terminate_negotiation(begun, "no patience")
    ours = eventually(lambda: floor.ours(begun), lambda found: found.state == "TERMINATED")
    assert ours.reason == ("no patience",)


def test_we_terminate_a_negotiation_of_edc(floor: Floor) -> None:
    begun, ours = edc_waits_for_our_operator(floor)
    floor.profile.call(floor.exchange.terminate_negotiation(ours.id, "the operator said no"))
    done = floor.management.await_negotiation(begun, "TERMINATED")
    SEEN["our operator's refusal, as EDC shows it"] = done.get("errorDetail")


def test_our_operator_agrees_with_edc(floor: Floor) -> None:
    begun, ours = edc_waits_for_our_operator(floor)
    floor.profile.call(floor.exchange.agree(ours.id))
    floor.management.await_negotiation(begun, "FINALIZED")


def test_edc_cannot_answer_our_opening_offer(floor: Floor) -> None:
    """EDC keeps our offer without our pid, and fails while it writes its answer.

    Its user can't go on from there, and no form of the message helps (docs/interop-edc.md).
    """
    known = floor.begun()
    begun = floor.profile.call(floor.exchange.offer(floor.did, "rain", USE | {"@id": "offer:rain"}))
    sending = eventually(
        lambda: floor.profile.call(floor.exchange.delivery_of(begun.id)),
        lambda found: found is not None and found.attempts > 0,
    )
    assert sending is not None
    assert "500" in str(sending.error)
    made = [each for number, each in floor.begun().items() if number not in known]
    assert {(each["type"], each["state"], each.get("correlationId")) for each in made} == {
        ("CONSUMER", "OFFERED", None)
    }
    floor.profile.call(floor.exchange.terminate_negotiation(begun.id, "it can't be answered"))
    ended = eventually(
        lambda: floor.negotiation(begun.id), lambda found: found.state == "TERMINATED"
    )
    assert "500" in str(ended.error)


# -- EDC provides, Hansa consumes ----------------------------------------------------------------


def test_we_read_edcs_catalogue_over_all_its_pages(floor: Floor) -> None:
    for number in range(ASSETS):
        floor.management.publish(f"asset-{number:02}", f"{floor.web.url}/river")
    remote = floor.profile.participant.remote
    found = eventually(
        lambda: floor.profile.call(remote.fetch(floor.did, refresh=True)),
        lambda found: found.code != "outbound_timeout",  # a busy EDC is no other one
    )
    assert found.error is None
    ids = {each.id for each in found.datasets}
    assert ids >= {"river", "payload", *(f"asset-{number:02}" for number in range(ASSETS))}
    assert not found.truncated


def test_we_negotiate_with_edc(floor: Floor) -> None:
    agreement = floor.profile.call(floor.exchange.agreement(floor.buy("river")))
    assert (agreement.role, agreement.assigner) == ("consumer", floor.did)
    ours = floor.profile.call(floor.exchange.negotiation(agreement.negotiation_id))
    done = floor.management.await_negotiation(str(ours.provider_pid), "FINALIZED")
    assert (done["type"], done["correlationId"]) == ("PROVIDER", ours.id)


def test_we_pull_edcs_bytes(floor: Floor) -> None:
    begun = floor.request(floor.buy("payload"))
    status, body = floor.fetch(begun, "whatever")
    assert status == 200
    assert hashlib.sha256(body).digest() == hashlib.sha256(PAYLOAD).digest()


def test_edc_pushes_its_bytes_to_us(floor: Floor) -> None:
    begun = floor.request(floor.buy("payload"), PUSH)
    floor.until(begun, "COMPLETED")
    kept = floor.profile.call(floor.profile.participant.carrying.received.get(begun))
    assert kept is not None
    assert kept.size == len(PAYLOAD)
    assert kept.digest == hashlib.sha256(PAYLOAD).hexdigest()


def test_we_suspend_and_resume_what_we_pull(floor: Floor) -> None:
    begun = floor.request(floor.buy("river"))
    assert floor.fetch(begun, "x") == (200, RIVER)
    floor.profile.call(floor.exchange.suspend_transfer(begun, "a pause"))
    floor.until(begun, "SUSPENDED")
    theirs = floor.transfer(begun).provider_pid
    floor.management.await_transfer(str(theirs), "SUSPENDED")
    floor.profile.call(floor.exchange.resume_transfer(begun))
    floor.until(begun, "STARTED")
    eventually(lambda: floor.fetch(begun, "x"), lambda found: found == (200, RIVER))


def test_edc_suspends_and_resumes_what_we_pull(floor: Floor) -> None:
    begun = floor.request(floor.buy("river"))
    theirs = str(floor.transfer(begun).provider_pid)
    floor.management.await_transfer(theirs, "STARTED")
    floor.management.suspend(theirs, "their pause")
    found = floor.until(begun, "SUSPENDED")
    assert (found.suspended_by, found.reason) == ("provider", ("their pause",))
    floor.management.await_transfer(theirs, "SUSPENDED")
    floor.management.resume(theirs)
    floor.until(begun, "STARTED")
    eventually(lambda: floor.fetch(begun, "x"), lambda found: found == (200, RIVER))


def test_we_terminate_what_we_pull(floor: Floor) -> None:
    begun = floor.request(floor.buy("river"))
    theirs = str(floor.transfer(begun).provider_pid)
    floor.profile.call(floor.exchange.terminate_transfer(begun, "enough"))
    floor.management.await_transfer(theirs, *OVER)


def test_edc_terminates_what_we_pull(floor: Floor) -> None:
    begun = floor.request(floor.buy("river"))
    theirs = str(floor.transfer(begun).provider_pid)
    floor.management.await_transfer(theirs, "STARTED")
    floor.management.terminate_transfer(theirs, "over")
    assert floor.until(begun, "TERMINATED").reason == ("over",)


def test_edc_refuses_an_unknown_offer_and_we_say_so(floor: Floor) -> None:
    forged = {"@id": "bm8=:bm8=:bm8=", "@type": "Offer", **USE}
    begun = floor.profile.call(floor.exchange.negotiate(floor.did, "river", forged))
    ended = eventually(
        lambda: floor.negotiation(begun.id), lambda found: found.state == "TERMINATED"
    )
    SEEN["EDC's refusal, as we show it"] = [ended.code, *ended.reason]
    assert "404" in str(ended.code)


def test_edcs_policy_refuses_our_transfer(floor: Floor) -> None:
    """EDC evaluates `inForceDate`; here it has passed."""
    past = {
        "leftOperand": "https://w3id.org/edc/v0.0.1/ns/inForceDate",
        "operator": "lteq",
        "rightOperand": {
            "@value": "2020-01-01T00:00:00Z",
            "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
        },
    }
    permission = [{"action": "use", "constraint": [past]}]
    floor.management.publish("outdated", f"{floor.web.url}/river", permission)
    agreement = floor.buy("outdated")
    begun = floor.profile.call(floor.exchange.request_transfer(agreement))
    ended = floor.until(begun.id, "TERMINATED")
    SEEN["EDC's policy against a transfer, as we show it"] = [ended.code, *ended.reason]


# -- many at once ----------------------------------------------------------------------------------


def test_many_negotiations_at_once_edc_buys(floor: Floor) -> None:
    offer = floor.management.offer(floor.us, "report.bin")
    begun = [floor.management.negotiate(floor.us, "report.bin", offer) for _ in range(AT_ONCE)]
    theirs = settle(lambda: [floor.management.negotiation(number) for number in begun])

    def look() -> dict[str, ContractNegotiation]:
        return {number: floor.ours(number) for number in begun if has(floor, number)}

    until(lambda: all(each.state in ("FINALIZED", "TERMINATED") for each in look().values()))
    ours = look()
    judge("EDC buys", floor, [(each, ours.get(each["@id"])) for each in theirs])


def test_many_negotiations_at_once_we_buy(floor: Floor) -> None:
    found = floor.profile.call(floor.profile.participant.remote.dataset(floor.did, "river"))
    terms = dict(found.offers[0].odrl)
    begun = [
        floor.profile.call(floor.exchange.negotiate(floor.did, "river", terms)).id
        for _ in range(AT_ONCE)
    ]

    def ended() -> bool:
        states = [floor.negotiation(number).state for number in begun]
        return all(state in ("FINALIZED", "TERMINATED") for state in states)

    until(ended)

    def look() -> list[dict[str, Any]]:
        mine = set(begun)
        found = floor.management.negotiations()
        return [each for each in found if each.get("correlationId") in mine]

    theirs = {each["correlationId"]: each for each in settle(look)}
    judge("we buy", floor, [(theirs.get(n, {}), floor.negotiation(n)) for n in begun])


def settle(look: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Wait until EDC's processes have ended, or do not move any more; give them as they are."""
    until(lambda: all(each["state"] in ("FINALIZED", "TERMINATED") for each in look()))
    return look()


def until(enough: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait, but not for ever; what hangs is judged by who asked."""
    deadline = time.monotonic() + timeout_s
    while not enough() and time.monotonic() < deadline:
        time.sleep(0.1)


def has(floor: Floor, peer_pid: str) -> bool:
    """Say whether we have our side of a process of EDC's."""
    found: list[Any] = [*floor.profile.call(floor.exchange.negotiations())]
    found += floor.profile.call(floor.exchange.transfers())
    return any(each.peer_pid == peer_pid for each in found)


def judge(
    name: str, floor: Floor, pairs: list[tuple[dict[str, Any], ContractNegotiation | None]]
) -> None:
    """Record how the pairs ended; fail when we lost one that EDC did not."""
    counts = Counter((each.get("state"), ours and ours.state.value) for each, ours in pairs)
    lost = []
    for each, ours in pairs:
        if each.get("state") == "FINALIZED" and ours is not None and ours.state == "FINALIZED":
            continue
        messages = floor.told(ours)
        lost.append(
            {
                "by EDC": lost_by_edc(each, ours, messages),
                "edc": {key: each.get(key) for key in ("state", "errorDetail")},
                "hansa": None
                if ours is None
                else [ours.state.value, ours.code, list(ours.reason), ours.error],
                "messages": [f"{m.direction} {m.type}" for m in messages],
            }
        )
    SEEN[f"{AT_ONCE} at once, {name}"] = {
        "pairs (EDC, Hansa)": {f"{theirs}, {ours}": n for (theirs, ours), n in counts.items()},
        "lost": lost,
    }
    assert [each for each in lost if each["by EDC"] is None] == []
