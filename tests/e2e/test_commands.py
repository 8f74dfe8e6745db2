"""The commands, as a new user types them."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
from tests.e2e.space import CONSUMER, PROVIDER, Space, wait_for
from tests.ports import PATIENCE_S

from hansa.node.home import Home
from hansa.node.processes import find


def test_up_tells_its_story_and_returns_while_the_space_runs_on(space: Space) -> None:
    status = json.loads(space.hansa("status", "--json").stdout)
    assert {node["name"] for node in status["nodes"]} == {"authority", PROVIDER, CONSUMER}
    for node in status["nodes"]:
        assert set(node) == {"name", "role", "url", "ready", "pid", "rss_mb"}
        assert node["ready"] is True
        assert node["pid"] > 0
        assert node["rss_mb"] > 1


def test_a_second_up_finds_the_running_space_and_changes_nothing(space: Space) -> None:
    before = space.client(CONSUMER).get(f"/participants/{CONSUMER}/agreements")["items"]
    pids = [find(space.node(name)).pid for name in ("authority", PROVIDER, CONSUMER)]
    steps = space.up()
    assert steps[0]["step"] == "find"
    assert all(set(step) == {"step", "ok", "ms", "url"} for step in steps)
    assert pids == [find(space.node(name)).pid for name in ("authority", PROVIDER, CONSUMER)]
    after = space.client(CONSUMER).get(f"/participants/{CONSUMER}/agreements")["items"]
    assert [item["id"] for item in after] == [item["id"] for item in before]


def test_open_gives_a_link_that_signs_in_once(space: Space) -> None:
    link = json.loads(space.hansa("open", CONSUMER, "--json").stdout)["url"]
    node = space.client(CONSUMER)
    path = link.split(":", 2)[2].partition("/")[2]
    status, headers, _ = node.raw("GET", f"/{path}")
    assert status in (200, 303)
    assert "httponly" in headers["set-cookie"].lower()
    again, headers, _ = node.raw("GET", f"/{path}")
    assert again in (400, 401, 403)
    assert "hansa_session" not in headers.get("set-cookie", "")


def test_doctor_finds_a_healthy_space_healthy(space: Space) -> None:
    done = space.hansa("doctor", "--json", check=False)
    findings = json.loads(done.stdout)["findings"]
    amiss = [f for f in findings if not f["ok"] and f["what"] != "built pages"]
    assert amiss == []


def test_commands_name_the_next_step_when_there_is_no_space(fresh_space: Space) -> None:
    for arguments in (["open"], ["logs", "delft-east"], ["join", "http://localhost:1/authority"]):
        done = fresh_space.hansa(*arguments, check=False)
        assert done.returncode == 1
        assert "hansa up" in done.stderr


def test_state_survives_a_stop_and_ports_are_kept(fresh_space: Space) -> None:
    fresh_space.up()
    ports = [node.port for node in map(fresh_space.node, ("authority", PROVIDER, CONSUMER))]
    base = f"/participants/{CONSUMER}"
    agreement = fresh_space.client(CONSUMER).get(f"{base}/agreements")["items"][0]["id"]
    fresh_space.down()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", ports[1]))
        taken.listen()
        done = fresh_space.hansa("up", check=False)
        assert done.returncode == 1
        assert f"Port {ports[1]}" in done.stderr
        assert fresh_space.hansa("down", "--json").stdout == '{"stopped": []}\n'
    steps = fresh_space.up()
    assert any(step["step"] == "start" for step in steps)
    assert ports == [node.port for node in map(fresh_space.node, ("authority", PROVIDER, CONSUMER))]
    kept = fresh_space.client(CONSUMER).get(f"{base}/agreements")["items"]
    assert [item["id"] for item in kept] == [agreement]


def test_a_space_of_a_newer_version_is_refused(fresh_space: Space) -> None:
    fresh_space.folder.mkdir(parents=True)
    (fresh_space.folder / "space.json").write_text('{"version": 99, "nodes": []}')
    done = fresh_space.hansa("status", check=False)
    assert done.returncode == 1
    assert "newer Hansa" in done.stderr
    assert "--fresh" in done.stderr


@pytest.mark.parametrize("name", ["up", "publish", "member", "transfer"])
def test_every_command_explains_itself(fresh_space: Space, name: str) -> None:
    assert "Usage:" in fresh_space.hansa(name, "--help").stdout


@pytest.mark.parametrize(("number", "after"), [("SIGINT", "open"), ("SIGTERM", "init")])
def test_a_signal_stops_a_space_in_the_foreground(
    fresh_space: Space, number: str, after: str
) -> None:
    with fresh_space.start_up("--foreground") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["step"].startswith(after):
                break
        process.send_signal(getattr(signal, number))
        steps = [json.loads(line)["step"] for line in process.stdout]
        assert process.wait(PATIENCE_S) == 0
    assert steps[-1] == "stop"
    status = json.loads(fresh_space.hansa("status", "--json").stdout)["nodes"]
    assert [node["pid"] for node in status] == [None, None, None]


def test_another_space_on_the_same_ports_is_left_alone(space: Space, fresh_space: Space) -> None:
    fresh_space.hansa("init", "authority", "--role", "authority")
    listed = fresh_space.folder / "space.json"
    mine, theirs = fresh_space.node("authority").port, space.node("authority").port
    listed.write_text(listed.read_text().replace(str(mine), str(theirs)))
    assert json.loads(fresh_space.hansa("down", "--json").stdout) == {"stopped": []}
    done = fresh_space.hansa("up", check=False)
    assert done.returncode == 1
    assert f"Port {theirs}" in done.stderr
    assert find(space.node("authority")).pid is not None


def test_spaces_that_start_at_once_have_their_own_ports(tmp_path: Path) -> None:
    spaces = [Space(tmp_path / name) for name in ("a", "b", "c")]
    try:
        begun = [space.start_up("--no-story") for space in spaces]
        said = [process.communicate(timeout=120)[0] for process in begun]
        assert [process.returncode for process in begun] == [0, 0, 0], said
        nodes = [node for space in spaces for node in Home(space.folder).nodes()]
        assert len({node.port for node in nodes}) == 9
        assert all(find(node).ready for node in nodes)
    finally:
        for space in spaces:
            space.close()


def test_a_city_asks_is_refused_asks_again_and_is_taken_in(fresh_space: Space) -> None:
    fresh_space.hansa("init", "authority", "--role", "authority")
    fresh_space.hansa("init", "koeln", "--title", "Stadt Köln")
    fresh_space.hansa("up", "--no-story")
    url = f"{fresh_space.node('authority').url}/authority"

    def ask() -> str:
        words = ("join", url, "--node", "koeln", "--wait", "0", "--json")
        done = fresh_space.hansa(*words, check=False)
        assert done.returncode == 4
        assert json.loads(done.stdout)["state"] == "requested"
        listed = json.loads(fresh_space.hansa("member", "list", "--json").stdout)["requests"]
        return str(next(r["id"] for r in listed if r["state"] == "pending"))

    def state() -> str:
        overview = fresh_space.client("koeln").get("/participants/koeln/overview")
        return str(overview["membership"]["state"])

    first = wait_for(ask, "the request")
    fresh_space.hansa("member", "refuse", first, "--reason", "Who are you?")
    wait_for(lambda: state() == "refused", "the refusal")
    fresh_space.hansa("member", "approve", wait_for(ask, "the second request"))
    wait_for(lambda: state() == "member", "the membership")
    did = "did:web:localhost%3A{}:koeln".format(fresh_space.node("koeln").port)
    fresh_space.hansa("member", "suspend", did, "--reason", "Test")
    wait_for(lambda: state() == "suspended", "the suspension")
    fresh_space.hansa("member", "reinstate", did)
    wait_for(lambda: state() == "member", "the end of the suspension")
    told = {
        name: [
            e["kind"] for e in fresh_space.client(name).get(f"/participants/{name}/events")["items"]
        ]
        for name in ("authority", "koeln")
    }
    assert told["authority"].count("member.requested") == 2
    assert {"member.refused", "member.approved", "member.suspended"} <= set(told["authority"])
    assert {"membership.refused", "membership.joined"} <= set(told["koeln"])
