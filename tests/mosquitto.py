"""A real MQTT broker (mosquitto) for tests, with a user, an ACL, and TLS when asked for."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.ports import PATIENCE_S, answers, free_port

USER, PASSWORD = "writer", "a secret of the writer"


def required(program: str) -> str:
    """Give the path of a program; skip without it, or fail with HANSA_REQUIRE_ALL=1."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/lib/openssh")
    if found is None:
        message = f"{program} is not installed"
        if os.environ.get("HANSA_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


class Mosquitto:
    """A broker on a folder of its own: it keeps what is queued when it is started again.

    The user `writer` may publish below `city/`, everybody who listens may read.
    """

    def __init__(self, folder: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        self.program = required("mosquitto")
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        passwords = folder / "passwords"
        passwords.write_text(f"{USER}:{PASSWORD}\nreader:read\n")
        subprocess.run([required("mosquitto_passwd"), "-U", str(passwords)], check=True)
        acl = f"user {USER}\ntopic write city/#\n\nuser reader\ntopic read #\n"
        (folder / "acl").write_text(acl)
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {folder}/acl",
            "persistence true",
            f"persistence_location {folder}/",
            "user root" if os.getuid() == 0 else "",
        ]
        if tls is not None:
            lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def _begin(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [self.program, "-c", str(self.folder / "mosquitto.conf"), "-v"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    async def start(self) -> None:
        self._begin()
        assert self._process is not None
        await answers(self.port, self._process)

    def stop(self) -> None:
        """Stop in order: what is queued for sessions is kept."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """Give a running broker."""
    broker = Mosquitto(tmp_path / "mosquitto")
    try:
        await broker.start()
        yield broker
    finally:
        broker.stop()


class Listener:
    """A consumer's program: keeps its session while away, so that nothing is missed."""

    def __init__(self, port: int, topic: str) -> None:
        self.payloads: list[bytes] = []
        self.kinds: list[str | None] = []
        self._topic = topic
        self._ready = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="listener", protocol=paho.MQTTv5
        )
        self._client.username_pw_set("reader", "read")
        self._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(self._ready.set)
        self._client.on_message = self._on_message
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=kept)
        self._client.loop_start()

    def _on_connect(self, client: paho.Client, *_: Any) -> None:
        client.subscribe(self._topic, 2)

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:
        self.payloads.append(message.payload)
        self.kinds.append(getattr(message.properties, "ContentType", None))

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._ready.wait()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Give the notifications by id once each, in the order in which they came first."""
        found: dict[str, dict[str, Any]] = {}
        for payload in list(self.payloads):
            body = json.loads(payload)["body"]
            found.setdefault(body["id"], body)
        return list(found.values())

    def state(self) -> dict[str, Any]:
        """Give what somebody knows who followed all notifications: entities by id."""
        known: dict[str, Any] = {}
        for notification in self.notifications:
            for entity in notification["data"]:
                if "deletedAt" in entity:
                    known.pop(entity["id"], None)
                else:
                    known[entity["id"]] = entity
        return known
