"""States in words, events with their pages, built files by their manifest."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from hansa.web import model
from hansa.web.assets import Assets

_DSP_STATES = {
    "negotiation": "REQUESTED OFFERED ACCEPTED AGREED VERIFIED FINALIZED TERMINATED",
    "transfer": "REQUESTED STARTED SUSPENDED COMPLETED TERMINATED",
}


def test_every_state_of_the_protocol_has_a_word_a_tone_and_an_explanation() -> None:
    for kind, names in _DSP_STATES.items():
        for name in names.split():
            state = model.state_of(kind, name)
            assert name in state.meaning
            assert state.tone in {"good", "busy", "wait", "stop", "over"}
            assert model.state_of(kind, f"dspace:{name}") == state


def test_an_unknown_state_is_shown_as_it_came() -> None:
    assert model.state_of("transfer", "WOBBLING").word == "WOBBLING"


@pytest.mark.parametrize(
    ("event", "tone", "path"),
    [
        ({"kind": "transfer.started", "subject": "urn:t/1"}, "good", "/transfers/urn%3At%2F1"),
        ({"kind": "member.refused", "subject": "did:web:x"}, "stop", None),
        ({"kind": "dataset.published", "subject": None}, "good", None),
        ({"kind": "", "subject": None}, "over", None),
    ],
)
def test_events_have_a_tone_and_a_page(
    event: dict[str, object], tone: str, path: str | None
) -> None:
    assert model.event_tone(str(event["kind"])) == tone
    assert model.event_path(event) == path


def test_assets_follow_the_manifest_and_notice_a_new_build(tmp_path: Path) -> None:
    assets = Assets(tmp_path, "/s/")
    assert not assets.built
    assert assets.scripts("src/app.ts") == []
    manifest = {
        "src/app.ts": {"file": "assets/app-1.js", "css": ["assets/app-1.css"], "imports": ["_l"]},
        "_l": {"file": "assets/l-1.js", "imports": ["_m"]},
        "_m": {"file": "assets/m-1.js", "css": ["assets/m-1.css"], "imports": ["_l"]},
    }
    path = tmp_path / "manifest.json"
    path.write_bytes(msgspec.json.encode(manifest))
    assert assets.built
    assert assets.scripts("src/app.ts", "src/none.ts") == ["/s/assets/app-1.js"]
    assert assets.preloads("src/app.ts") == ["/s/assets/l-1.js", "/s/assets/m-1.js"]
    assert assets.styles("src/app.ts") == ["/s/assets/app-1.css", "/s/assets/m-1.css"]
    path.write_bytes(b"{}")
    os.utime(path, (1, 1))
    assert not assets.built
