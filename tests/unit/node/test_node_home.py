"""The folder of a space: what a node may be called, and whose process answers."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hansa.kernel import Code, HansaError
from hansa.node import processes
from hansa.node.home import Home, NodePlan


def _plan(name: str = "koeln", participant: str | None = None, **rest: str) -> NodePlan:
    plan = {"title": "Köln", "role": "city", **rest}
    return NodePlan(name, participant or name, plan["title"], plan["role"], plan.get("authority"))


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "Köln", "a b", "-a", "a-", "A", "x" * 64])
def test_a_name_that_is_no_folder_or_identity_is_refused(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / "space")
    for plan in (_plan(name), _plan(participant=name or " ")):
        with pytest.raises(HansaError, match="can't be the name"):
            home.create([plan], [7710])
    assert not home.path.exists()


@pytest.mark.parametrize("title", ['The "best" city', "C:\\new", "Köln\n[trust]", "ß\x7f\x00"])
def test_any_title_is_kept(tmp_path: Path, title: str) -> None:
    (folder,) = Home(tmp_path).create([_plan(title=title)], [7710])
    settings = tomllib.loads(folder.settings_file.read_text(encoding="utf-8"))
    assert settings["participants"][0]["title"] == title


def test_a_port_is_given_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create([_plan()], [7710])
    with pytest.raises(HansaError) as refused:
        home.create([_plan("bonn")], [7710])
    assert refused.value.code is Code.port_taken


def test_an_authority_is_named_by_its_node_and_reached_by_its_participant(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create([_plan("boss", "the-authority", role="authority")], [7710])
    (city,) = home.create([_plan(authority="boss")], [7711])
    settings = tomllib.loads(city.settings_file.read_text(encoding="utf-8"))
    assert settings["participants"][0]["authority_url"] == "http://localhost:7710/the-authority"
    with pytest.raises(HansaError, match="There is no authority 'koeln'"):
        home.create([_plan("bonn", authority="koeln")], [7712])


def test_a_node_of_another_space_on_the_same_port_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours,) = Home(tmp_path / "a").create([_plan()], [7710])
    (theirs,) = Home(tmp_path / "b").create([_plan()], [7710])
    answer = {"node": "koeln", "mark": theirs.mark, "pid": 1, "status_code": 200}
    monkeypatch.setattr(processes, "probe", lambda folder, path="/livez": answer)
    assert processes.find(theirs).pid == 1
    assert processes.find(ours).pid is None
