"""Trade by commands: approve, counter, follow, fetch, rehearse, tell other programs."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from tests.e2e.space import CONSUMER, PROVIDER, Space, wait_for

from sshd import Sshd

Json = Any


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    """Give a running space without its story."""
    own = Space(tmp_path_factory.mktemp("trading"))
    own.up("--no-story")
    url = f"{own.node('authority').url}/authority"
    for city in (PROVIDER, CONSUMER):
        own.hansa("join", url, "--node", city)
    yield own
    own.close()


def run(space: Space, *words: str, node: str = CONSUMER, check: bool = True) -> Json:
    """Run a command with `--json` and give what it prints."""
    done = space.hansa(*words, "--node", node, "--json", check=check)
    return json.loads(done.stdout) if done.stdout.strip() else {}


def publish(space: Space, tmp_path: Path, title: str, *more: str) -> Json:
    """Publish some bytes at the provider."""
    file = tmp_path / "some.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    words = ("publish", str(file), "--as-is", "--title", title, *more)
    return run(space, *words, node=PROVIDER)["dataset"]


def test_an_operator_approves_and_the_bytes_are_fetched(trading: Space, tmp_path: Path) -> None:
    dataset = publish(trading, tmp_path, "Approved", "--approval", "operator")
    asked = trading.hansa(
        "negotiate", dataset["id"], "--node", CONSUMER, "--wait", "1", check=False
    )
    assert asked.returncode == 4
    assert "It waits for Delft West." in asked.stderr
    (item,) = run(trading, "approvals", node=PROVIDER)["items"]
    listed = trading.hansa("approvals", "--node", PROVIDER).stdout
    assert f"hansa negotiation agree {item['id']}" in listed
    run(trading, "negotiation", "agree", item["id"], node=PROVIDER)
    (mine,) = [
        n for n in run(trading, "negotiation", "list")["items"] if n["dataset_id"] == dataset["id"]
    ]
    followed = trading.hansa("negotiation", "follow", mine["id"], "--node", CONSUMER)
    assert "Delft West concludes the contract." in followed.stderr
    agreement = followed.stdout.split()[-1]
    run(trading, "transfer", "start", agreement)
    (transfer,) = [
        t for t in run(trading, "transfer", "list")["items"] if t["agreement_id"] == agreement
    ]
    target = tmp_path / "got.bin"
    words = ("transfer", "fetch", transfer["id"], "-o", str(target), "--node", CONSUMER)
    assert "256000 bytes" in trading.hansa(*words).stdout
    assert target.read_bytes() == (tmp_path / "some.bin").read_bytes()
    run(trading, "transfer", "suspend", transfer["id"], "--reason", "A pause.")
    shown = wait_for(lambda: _in(trading, transfer["id"], "SUSPENDED"), "the pause")
    assert "resume" in shown["actions"]
    run(trading, "transfer", "resume", transfer["id"])
    wait_for(lambda: _in(trading, transfer["id"], "STARTED"), "to go on")
    run(trading, "transfer", "terminate", transfer["id"], "--reason", "Enough.")
    wait_for(lambda: _in(trading, transfer["id"], "TERMINATED"), "the end")
    told = trading.hansa("agreement", "timeline", agreement, "--node", PROVIDER).stdout
    assert "Delft East pauses the transfer: A pause." in told
    assert "Delft East ends the transfer: Enough." in told


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    asyncio.run(server.start())
    yield server
    server.stop()


def test_a_push_to_the_own_server_is_followed_by_what_the_provider_says(
    trading: Space, tmp_path: Path, server: Sshd
) -> None:
    dataset = publish(trading, tmp_path, "Sent")
    agreement = run(trading, "negotiate", dataset["id"])["agreement_id"]
    (tmp_path / "key").write_text(server.client_key)
    place = ["--to", f"sftp://localhost:{server.port}", "--property", "path=in.bin"]
    place += ["--property", f"username={server.user}"]
    place += ["--property", f"privateKey=@{tmp_path / 'key'}", "--property"]

    def start(host_key: str) -> str:
        words = ("transfer", "start", agreement, "--format", "Sftp-PUSH", *place)
        return str(run(trading, *words, f"hostKey={host_key}")["id"])

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    refused = start(other)
    says = "Delft West says: The SFTP server has another key than the one named."

    def told() -> str | None:
        shown = trading.hansa("transfer", "show", refused, "--node", CONSUMER).stdout
        return shown if says in shown else None

    assert "(1 try, no other follows)" in wait_for(told, "the reason")
    sent = start(server.host_key)
    followed = trading.hansa("transfer", "follow", sent, "--node", CONSUMER)
    assert "Delft West says: 256000 of 256000 bytes" in followed.stdout + followed.stderr
    assert (server.files / "in.bin").read_bytes() == (tmp_path / "some.bin").read_bytes()
    lines = trading.hansa("agreement", "timeline", agreement, "--node", CONSUMER).stdout
    assert "Delft West says that it has sent 256000 bytes so far." in lines
    assert says in lines


def _in(space: Space, transfer: str, state: str) -> Json:
    found = run(space, "transfer", "show", transfer)
    return found if found["state"] == state else None


def test_a_counter_offer_is_accepted(trading: Space, tmp_path: Path) -> None:
    dataset = publish(trading, tmp_path, "Countered")
    script = tmp_path / "script.json"
    script.write_text('[{"on": "REQUESTED", "do": "offer", "role": "provider"}]')
    run(trading, "script", "put", dataset["id"], str(script), node=PROVIDER)
    done = trading.hansa("negotiate", dataset["id"], "--approve", "--node", CONSUMER)
    assert "Delft West makes another offer: " in done.stderr
    assert "Delft East accepts the offer." in done.stderr
    assert done.stdout.startswith("Agreement ")
    waits = trading.hansa("negotiate", dataset["id"], "--node", CONSUMER, check=False)
    assert waits.returncode == 4
    assert "hansa negotiation accept " in waits.stderr


def test_a_refusal_says_why_and_what_to_do(trading: Space, tmp_path: Path) -> None:
    dataset = publish(trading, tmp_path, "Refused")
    words = ("negotiate", dataset["id"], "--terms", "until", "--set", "until=2030-01-01")
    done = trading.hansa(*words, "--node", CONSUMER, check=False)
    assert done.returncode == 3
    assert "Next: " in done.stderr
    assert "hansa negotiate " in done.stderr
    over = next(
        n for n in run(trading, "negotiation", "list")["items"] if n["dataset_id"] == dataset["id"]
    )
    assert over["refusal"]["by"] == "counterparty"
    again = run(trading, "negotiation", "replay", over["id"])
    assert again["id"] != over["id"]


def test_a_dataset_is_changed_and_withdrawn(trading: Space, tmp_path: Path) -> None:
    dataset = publish(trading, tmp_path, "Changed")
    words = ("dataset", "update", dataset["id"], "--title", "Changed again", "--keyword", "new")
    changed = run(trading, *words, node=PROVIDER)
    assert (changed["title"], changed["keywords"]) == ("Changed again", ["new"])
    assert changed["offers"][0]["id"] == dataset["offers"][0]["id"]
    terms = ("--terms", "purpose", "--set", "purpose=care")
    changed = run(trading, "dataset", "update", dataset["id"], *terms, node=PROVIDER)
    assert changed["offers"][0]["id"] != dataset["offers"][0]["id"]
    nothing = trading.hansa("dataset", "update", dataset["id"], "--node", PROVIDER, check=False)
    assert nothing.returncode == 2
    run(trading, "dataset", "withdraw", dataset["id"], node=PROVIDER)
    gone = trading.hansa("negotiate", dataset["id"], "--node", CONSUMER, check=False)
    assert gone.returncode == 1
    assert "Next: hansa catalogue" in gone.stderr


class _Receiver(http.server.BaseHTTPRequestHandler):
    got: list[Json] = []
    status = 500

    def do_POST(self) -> None:
        """Keep an event."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got.append((self.headers["webhook-id"], json.loads(body)))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def receiving() -> Iterator[str]:
    _Receiver.got.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_hears_of_a_change_although_its_node_was_killed(
    trading: Space, tmp_path: Path
) -> None:
    with receiving() as url:
        _Receiver.status = 500
        made = run(trading, "webhook", "add", url, "--event", "dataset.*", node=PROVIDER)
        publish(trading, tmp_path, "Told")
        wait_for(lambda: bool(_Receiver.got), "the first try")
        trading.kill(PROVIDER)
        _Receiver.status = 204
        trading.start(PROVIDER)
        wait_for(lambda: _told(trading, made["id"]), "the event")
        assert len({name for name, _ in _Receiver.got}) == 1
        assert _Receiver.got[-1][1]["type"] == "dataset.published"
        assert run(trading, "webhook", "test", made["id"], node=PROVIDER)["ok"] is True
        run(trading, "webhook", "remove", made["id"], node=PROVIDER)
        assert run(trading, "webhook", "list", node=PROVIDER)["items"] == []


def _told(space: Space, webhook: str) -> bool:
    done = space.hansa("webhook", "list", "--node", PROVIDER, "--json", check=False)
    items = json.loads(done.stdout)["items"] if done.returncode == 0 else []
    return any(item["id"] == webhook and item["delivered"] == 1 for item in items)


def test_a_join_without_the_authoritys_name_gets_a_hint(fresh_space: Space) -> None:
    fresh_space.hansa("init", "authority", "--role", "authority")
    fresh_space.hansa("init", "koeln")
    fresh_space.hansa("up", "--no-story")
    url = fresh_space.node("authority").url
    done = fresh_space.hansa("join", url, "--node", "koeln", check=False)
    assert done.returncode == 1
    assert f"hansa join {url}/authority" in done.stderr
