"""A long answer to a slow reader stops within a second of the end of its agreement."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from tests.e2e.space import CONSUMER, PROVIDER, Space
from tests.e2e.test_publish import C, P, publish, trade

ROWS = 40_000


def test_a_running_answer_stops_when_its_agreement_ends(space: Space, tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    lines = (
        f"meter-1,2026-01-{1 + n // 1440 % 28:02d}T{n // 60 % 24:02d}:{n % 60:02d}:00Z,{n % 97}.5"
        for n in range(ROWS)
    )
    file.write_text("id,time,level [m]\n" + "\n".join(lines) + "\n")
    answer = publish(space, str(file), "--title", "A meter by the minute")
    transfer = trade(space, answer["dataset"]["id"])
    access = space.client(CONSUMER).get(f"{C}/transfers/{transfer}/access")
    agreement = space.client(CONSUMER).get(f"{C}/transfers/{transfer}")["agreement_id"]
    types = answer["dataset"]["types"][0]
    query = f"type={types}&timerel=before&timeAt=2100-01-01T00:00:00Z"
    path = f"/{PROVIDER}/data/ngsi-ld/v1/temporal/entities?{query}"
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(60)
        wire.connect(("127.0.0.1", space.node(PROVIDER).port))
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {access['authorization']}"
        wire.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += wire.recv(1024)
        assert b" 200 " in received or b" 206 " in received
        length = int(received.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert length > 800_000, "longer than what the buffers of both sides hold"
        space.client(PROVIDER).post(f"{P}/agreements/{agreement}/end", {"reason": "Tested"})
        time.sleep(1)
        count = len(received)
        try:
            while part := wire.recv(65_536):
                count += len(part)
        except ConnectionResetError:
            pass
    assert count < 600_000, json.dumps({"received": count, "of": length})
