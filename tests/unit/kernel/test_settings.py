"""Settings: precedence, unknown keys, types, and the generated reference."""

from __future__ import annotations

from pathlib import Path

import pytest

from hansa.kernel import Code, HansaError
from hansa.kernel.settings import load, reference


def test_defaults_run() -> None:
    settings = load(None, {})
    assert settings.node.port == 7710
    assert settings.base_url == "http://localhost:7710"


def test_flag_beats_environment_beats_file(tmp_path: Path) -> None:
    file = tmp_path / "hansa.toml"
    file.write_text("[node]\nport = 1001\nname = 'a'\n[trust]\nstatus_age_max_s = 5\n")
    assert load(file, {}).node.port == 1001
    assert load(file, {"HANSA_NODE__PORT": "1002"}).node.port == 1002
    settings = load(file, {"HANSA_NODE__PORT": "1002"}, {"node.port": 1003})
    assert (settings.node.port, settings.node.name) == (1003, "a")
    assert settings.trust.status_age_max_s == 5.0


@pytest.mark.parametrize(
    ("text", "environment", "needle"),
    [
        ("[node]\nprot = 1\n", {}, "Did you mean `node.port`?"),
        ("[nod]\nport = 1\n", {}, "Did you mean `node`?"),
        ("[node]\nport = 'x'\n", {}, "port"),
        ("[node]\nport = 0\n", {}, "port"),
        ("not toml", {}, "not valid TOML"),
        ("", {"HANSA_NODE__PROT": "1"}, "HANSA_NODE__PROT"),
        ("", {"HANSA_PORT": "1"}, "SECTION__KEY"),
        ("[[participants]]\nid = 'a'\nrole = 'king'\n", {}, "role"),
    ],
)
def test_bad_settings_name_the_key(
    tmp_path: Path, text: str, environment: dict[str, str], needle: str
) -> None:
    file = tmp_path / "hansa.toml"
    file.write_text(text)
    with pytest.raises(HansaError) as caught:
        load(file, environment)
    assert caught.value.code is Code.settings_invalid
    assert needle in str(caught.value)


def test_the_reference_names_every_setting() -> None:
    page = reference()
    for needle in ("`status_age_max_s`", "`allow_loopback`", "`dsn`", "[[participants]]"):
        assert needle in page
