"""What may be done now, how far it has come, and what would change: words from views."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pages_talk as talk
import pytest

from hansa.kernel import HansaError
from hansa.web import compare, moves, offer_form, push_form, spans

NOW = datetime(2026, 11, 20, 13, 20, tzinfo=UTC)
Json = dict[str, Any]


def keys(found: list[moves.Move]) -> list[str]:
    return [move.key for move in found]


def test_moves_are_the_views_actions_with_the_answer_first() -> None:
    found = moves.negotiation_moves({"actions": ["counter", "terminate", "agree"]})
    assert keys(found) == ["agree", "counter", "terminate"]
    assert found[-1].button == "Refuse"
    assert keys(moves.negotiation_moves({"actions": ["retry", "terminate"]})) == [
        "retry",
        "terminate",
    ]
    assert moves.negotiation_moves({"actions": ["terminate"]})[0].button == "End the negotiation"
    assert moves.negotiation_moves({"state": "REQUESTED"}) == []
    assert moves.negotiation_moves({"actions": ["something_new"]}) == []
    assert keys(moves.negotiation_moves({"actions": ["adopt", "replay"]})) == ["adopt", "replay"]
    assert keys(moves.transfer_moves({"actions": ["adopt"]})) == ["adopt"]
    assert keys(moves.transfer_moves({"actions": ["forget"]})) == ["forget"]


def test_a_transfer_that_waits_is_refused_and_one_that_runs_is_stopped() -> None:
    waits = moves.transfer_moves({"actions": ["start", "terminate"]})
    runs = moves.transfer_moves({"actions": ["suspend", "complete", "terminate"]})
    assert [m.button for m in waits] == ["Approve and start", "Refuse"]
    assert [m.button for m in runs] == ["Pause", "All was delivered", "Stop the transfer"]
    assert [m.asks for m in runs] == ["reason", "", "reason"]


def where(stops: list[moves.Stop], side: str = "theirs") -> list[str]:
    return [getattr(stop, side) for stop in stops]


def test_the_track_shows_states_passed_and_left_out() -> None:
    messages = talk.agreed(NOW)
    short = [m for m in messages if "Offer" not in m["type"]]
    short = [m for m in short if m["body"].get("eventType") != "ACCEPTED"]
    stops = moves.track("negotiation", {"state": "dspace:FINALIZED"}, short)
    assert where(stops) == ["done", "skipped", "skipped", "done", "done", "here"]
    assert where(moves.track("negotiation", {"state": "REQUESTED"}, short[:1])) == [
        "here", "ahead", "ahead", "ahead", "ahead", "ahead",
    ]  # fmt: skip


def test_a_message_on_its_way_puts_us_one_step_ahead() -> None:
    view = {"state": "REQUESTED", "pending": "ContractOfferMessage"}
    said = [*talk.asked_of_us(NOW), talk.message(NOW, "sent", "ContractOfferMessage", "")]
    stops = moves.track("negotiation", view, said)
    assert where(stops)[:2] == ["here", "ahead"]
    assert where(stops, "ours")[:2] == ["here", "coming"]


def test_a_track_that_was_ended_says_what_was_never_reached() -> None:
    stops = moves.track("negotiation", {"state": "TERMINATED"}, talk.refused(NOW))
    assert where(stops) == ["done", "never", "never", "never", "never", "never", "here"]
    assert stops[-1].state.word == "Ended"


def test_terms_are_compared_in_words_with_what_differs_first() -> None:
    before = compare.terms_of(talk.offer("planning"), {})
    after = compare.terms_of(talk.offer("research"), {})
    assert before is not None
    assert after is not None
    found = compare.changes(before, after, UTC)
    assert [(c.title, c.before, c.after) for c in found if not c.same] == [
        ("For what", "“planning”", "“research”")
    ]
    assert found[0].title == "For what"
    assert all(c.same for c in compare.changes(before, before, UTC))
    assert compare.terms_of({"@type": "Offer"}, {}) is None


def test_each_counter_offer_shows_what_it_changes() -> None:
    shown = compare.with_changes(talk.agreed(NOW), {}, UTC)
    assert [len(m["changes"]) for m in shown] == [0, 1, 0, 0, 0, 0]
    assert shown[1]["changes"][0].title == "Until"


def lanes(items: list[Json], **more: Any) -> dict[str, spans.Lane]:
    found = spans.timeline(items, NOW, **{"over": False, **more})
    assert found is not None
    return {lane.id or lane.kind: lane for lane in found.lanes}


def of(process: str, messages: list[Json]) -> list[Json]:
    return [{**m, "kind": "transfer", "process": process} for m in messages]


def test_a_transfer_becomes_spans_on_the_common_axis() -> None:
    start = NOW - timedelta(days=20)
    told = talk.moved(
        start, "TransferRequestMessage", "TransferStartMessage", "TransferSuspensionMessage",
        "TransferStartMessage", "TransferTerminationMessage", ours=True,
    )  # fmt: skip
    lane = lanes(of("t", told))["t"]
    assert [s.kind for s in lane.spans] == ["asked", "running", "paused", "running"]
    assert [m.kind for m in lane.marks] == ["stopped"]
    assert all(not s.open for s in lane.spans)
    ends = [s.x + s.width for s in lane.spans]
    assert all(0 <= end <= 100.01 for end in ends)
    going = lanes(of("t", told[:2]))["t"]
    assert going.spans[-1].open
    assert going.spans[-1].x + going.spans[-1].width == pytest.approx(100)


def test_the_last_use_is_a_mark_on_its_transfer() -> None:
    told = talk.moved(NOW - timedelta(days=2), "TransferRequestMessage", ours=True)
    use = {"kind": "usage", "process": "t", "at": (NOW - timedelta(days=1)).isoformat()}
    (mark,) = lanes([*of("t", told), use])["t"].marks
    assert mark.kind == "usage"
    assert 45 < mark.x < 55


def test_a_fraction_of_a_second_orders_what_the_text_would_not() -> None:
    told = talk.moved(NOW, "TransferRequestMessage", "TransferStartMessage", ours=True)
    assert told[1]["at"] < told[0]["at"], "as text the later instant comes first"
    assert [m["type"] for m in spans.in_order(list(reversed(told)))] == [m["type"] for m in told]


def test_an_agreement_that_ended_closes_its_lane() -> None:
    at = (NOW - timedelta(days=3)).isoformat()
    end = (NOW - timedelta(days=1)).isoformat()
    items = [
        {"kind": "signed", "at": at, "process": None},
        {"kind": "ended", "at": end, "process": None},
    ]
    lane = lanes(items, over=True)["agreement"]
    assert [(s.kind, s.open) for s in lane.spans] == [("force", False)]
    assert spans.timeline([], NOW, over=False) is None


def test_many_transfers_are_bounded_and_counted() -> None:
    told = talk.moved(NOW - timedelta(days=2), "TransferRequestMessage", ours=True)
    found = spans.timeline([x for i in range(130) for x in of(f"t{i}", told)], NOW, over=False)
    assert found is not None
    assert (len(found.lanes), found.left_out) == (100, 30)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"purpose": ["planning", "research"]}, {"x.purpose": "planning, research"}),
        ({"attributes": ["no2"]}, {"x.attributes": "no2"}),
        ({"until": "2026-12-31T23:00:00Z"}, {"x.until": "2026-12-31"}),
        ({"until": "2026-12-31T12:00:00Z"}, {"x.until": "2026-12-31T12:00:00Z"}),
        ({"max_age": "PT15M"}, {"x.max_age": "15", "x.max_age.unit": "minutes"}),
        ({"max_age": "P1Y"}, {"x.max_age": "P1Y"}),
        (
            {"period": {"start": "2026-10-31T23:00:00Z", "end": "2026-11-30T23:00:00Z"}},
            {"x.period.start": "2026-11-01", "x.period.end": "2026-11-30"},
        ),
        ({"area": "POLYGON ((0 0, 1 0, 1 1, 0 0))"},
         {"x.area.wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}),
    ],
)  # fmt: skip
def test_the_terms_on_the_table_fill_the_form(parameters: Json, expected: Json) -> None:
    from zoneinfo import ZoneInfo

    zone = "Europe/Amsterdam"
    form = offer_form.filled_in({"template": "x", "parameters": parameters}, ZoneInfo(zone), zone)
    assert form["template"] == "x"
    assert {k: form[k] for k in expected} == expected
    assert not offer_form.filled_in(None, UTC, "UTC")


def test_where_a_push_goes() -> None:
    assert push_form.address("HttpData-PULL", {}) is None
    assert push_form.address("NgsiLd-PUSH", {"NgsiLd-PUSH.to": "inbox"}) is None
    form = {
        "Mqtt-PUSH.endpoint": "mqtts://b:8883",
        "Mqtt-PUSH.topic": "air",
        "Mqtt-PUSH.password": "secret",
    }
    assert push_form.address("Mqtt-PUSH", form) == {
        "endpoint_type": push_form.way_of("Mqtt-PUSH").type,
        "endpoint": "mqtts://b:8883",
        "properties": {"topic": "air", "password": "secret"},
    }
    assert "Mqtt-PUSH.password" not in push_form.without_secrets(form)
    with pytest.raises(HansaError, match="Topic is missing") as refused:
        push_form.address("Mqtt-PUSH", {"Mqtt-PUSH.endpoint": "mqtts://b"})
    assert refused.value.facts["field"] == "Mqtt-PUSH.topic"
    sftp = {"endpoint": "sftp://f", "path": "in/", "username": "u", "hostKey": "ssh-ed25519 AAAA"}
    form = {f"Sftp-PUSH.{name}": value for name, value in sftp.items()}
    form["Sftp-PUSH.privateKey"] = "-----BEGIN\nabc\n-----END"
    given = push_form.address("Sftp-PUSH", form)
    assert given is not None
    assert given["properties"]["privateKey"] == "-----BEGIN\nabc\n-----END"
    assert "Sftp-PUSH.privateKey" not in push_form.without_secrets(form)
    assert push_form.way_of("Kafka-PULL").title == "Kafka-PULL"


def test_the_command_for_a_push_holds_no_secret_and_stays_in_one_piece() -> None:
    said = push_form.command(push_form.way_of("Mqtt-PUSH"), "urn:a; rm -rf")
    assert said == (
        "hansa transfer start 'urn:a; rm -rf' --format Mqtt-PUSH --to mqtts://example.org:8883 "
        "--property topic=city/air --property username=traffic --property password=@-"
    )
    sftp = push_form.command(push_form.way_of("Sftp-PUSH"), "a")
    assert "privateKey" not in sftp
    assert "'hostKey=ssh-ed25519 AAAA...'" in sftp
    assert push_form.command(push_form.way_of("NgsiLd-PUSH"), "a").endswith("--format NgsiLd-PUSH")
