"""The test profile can't be reached from an installed Hansa, and serves nobody but this machine."""

from __future__ import annotations

import ast
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.profile import PARTICIPANT, Profile, ProfileGate

import hansa
from hansa.kernel.settings import Settings
from hansa.node import serve
from hansa.node.adapters import Gate
from hansa.node.runtime import Node

PACKAGE = Path(hansa.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
REQUEST = {
    "@context": ["https://w3id.org/dspace/2025/1/context.jsonld"],
    "@type": "CatalogRequestMessage",
}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "10.0.0.1"])
def test_it_refuses_every_address_but_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        Profile(host=host)


def test_the_package_has_one_gate_and_it_asks_the_identity() -> None:
    gates = [
        (path.name, node.name)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(
            isinstance(member, ast.AsyncFunctionDef) and member.name == "authorization_for"
            for member in node.body
        )
        and not any(getattr(base, "id", "") == "Protocol" for base in node.bases)
    ]
    assert gates == [("adapters.py", "Gate")]
    assert "self._identity.authenticate(" in (PACKAGE / "node" / "adapters.py").read_text()


def test_the_package_knows_no_mock_identity() -> None:
    words = re.compile(r"mock|TCK_PARTICIPANT|ProfileGate", re.IGNORECASE)
    # `clientId` is a member of Data Plane Signaling too, where planes show who they are.
    tokens = re.compile(r"clientId")
    found = [
        f"{path.name}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line) or (tokens.search(line) and "signaling" not in path.parts)
    ]
    assert found == []


def test_nothing_of_the_package_puts_another_gate_into_a_node() -> None:
    """`gate=` is given by nobody in the package but the node to its own participants."""
    given = [
        (path.name, ast.unparse(keyword.value))
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "gate"
    ]
    assert given == [("runtime.py", "self._gate")]


def test_no_setting_leads_to_the_gate() -> None:
    def names(struct: Any, path: str = "") -> list[str]:
        fields = getattr(struct, "__struct_fields__", ())
        return [path, *(n for f in fields for n in names(getattr(struct, f, None), f"{path}.{f}"))]

    words = re.compile(r"gate|mock|profile|identity|auth(?!ority)", re.IGNORECASE)
    assert [name for name in names(Settings()) if words.search(name)] == []


def test_a_served_node_has_the_gate_of_the_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Node] = []
    monkeypatch.setattr("hansa.node.app.application", made.append)
    monkeypatch.setenv("HANSA_SECRET", "00" * 32)
    serve.config(Settings(), tmp_path)
    assert made[0]._gate is Gate


def test_the_profile_serves_and_still_refuses_who_shows_nothing() -> None:
    with Profile(callers={"Bearer kit": "SOMEBODY"}) as profile:
        assert isinstance(profile.participant.gate, ProfileGate)
        assert profile.participant.id == PARTICIPANT
        assert status(profile, "Bearer kit") == 200
        assert status(profile, json.dumps({"clientId": "somebody", "region": "eu"})) == 200
        assert status(profile, "Bearer other") == 401
        assert status(profile, "") == 401
        assert status(profile, "{}") == 401


def status(profile: Profile, authorization: str) -> int:
    request = urllib.request.Request(
        f"{profile.dsp_url}/catalog/request",
        json.dumps(REQUEST).encode(),
        {"Content-Type": "application/json"}
        | ({"Authorization": authorization} if authorization else {}),
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code
