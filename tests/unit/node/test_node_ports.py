"""Ports are chosen once, by one space at a time, and stay a node's while its folder is there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hansa.cli import space as commands
from hansa.kernel import Code, HansaError
from hansa.node.home import Home, NodeFolder, NodePlan
from hansa.node.port_claims import Claims, claiming, port_is_free

PLAN = NodePlan("koeln", "koeln", "Köln", "city")


@pytest.fixture(autouse=True)
def own_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the claims of these tests apart from those of the machine."""
    folder = tmp_path / "claims"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder / f"hansa-ports-{os.getuid()}.lock"


def test_a_port_is_its_nodes_while_its_folder_is_there(tmp_path: Path) -> None:
    first = Home(tmp_path / "a").add(PLAN)
    second = Home(tmp_path / "b").add(PLAN)
    assert first.port != second.port
    shutil.rmtree(first.path)
    with claiming() as claims:
        assert second.port in claims.kept
        assert first.port not in claims.kept


def test_nodes_of_one_space_are_neighbours(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home.add(PLAN)
    second = home.add(NodePlan("bonn", "bonn", "Bonn", "city"))
    assert first.port < second.port < first.port + 10


def test_what_others_listen_on_is_not_chosen() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert port not in Claims({}).choose(3, beside=[port - 1])


def test_when_all_is_claimed_a_free_port_will_do(tmp_path: Path) -> None:
    everything = dict.fromkeys(range(1, 65536), tmp_path)
    assert len(Claims(everything).choose(3)) == 3


def test_claims_that_can_not_be_read_are_forgotten(own_claims: Path, tmp_path: Path) -> None:
    for text in ("{", "[]", '{"x": 1}', '{"7710": null}'):
        own_claims.write_text(text)
        with claiming() as claims:
            assert claims.kept == {}
        assert json.loads(own_claims.read_text()) == {}


def test_spaces_made_at_the_same_time_have_different_ports(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hansa", "init", "koeln", "--json"]
    begun = [
        subprocess.Popen(
            command,
            env={**os.environ, "HANSA_HOME": str(tmp_path / str(number))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    said = [process.communicate(timeout=60)[0] for process in begun]
    assert len({json.loads(text)["url"] for text in said}) == len(begun)


def test_a_new_space_takes_other_ports_when_somebody_was_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[int]] = []

    def start(nodes: list[NodeFolder], steps: commands.Steps) -> None:
        tried.append([node.port for node in nodes])
        if len(tried) == 1:
            raise HansaError(Code.port_taken, "Somebody was faster.")

    monkeypatch.setattr(commands, "_start_missing", start)
    monkeypatch.setattr(commands, "_addresses", lambda nodes, steps: None)
    words = ["--no-story", "--home", str(tmp_path / "space")]
    done = CliRunner().invoke(commands.up_command, words)
    assert done.exit_code == 0, done.output
    assert len(tried) == 2
    tried.clear()
    done = CliRunner().invoke(commands.up_command, words)  # its identities are known by now
    assert isinstance(done.exception, HansaError)
    assert done.exception.code is Code.port_taken
    assert len(tried) == 1
    assert Home(tmp_path / "space").exists


def test_ports_of_ipv4_and_ipv6_are_looked_at() -> None:
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", 0))
        other.listen()
        assert not port_is_free(other.getsockname()[1])


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_a_list_of_claims_that_another_user_put_there_is_not_used(
    own_claims: Path, what: str
) -> None:
    victim = own_claims.with_name("victim")
    if what == "link":
        own_claims.symlink_to(victim)
    elif what == "pipe":
        os.mkfifo(own_claims)
    else:
        own_claims.mkdir()
    with pytest.raises(HansaError) as caught, claiming():
        pass
    assert caught.value.code is Code.unavailable
    assert str(own_claims) in caught.value.detail
    assert not victim.exists()
