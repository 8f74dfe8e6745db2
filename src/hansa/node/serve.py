"""Run one node: read its folder, build it, serve it until it is told to stop."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import structlog
import uvicorn

from hansa.kernel.errors import Code, HansaError
from hansa.kernel.settings import Settings, load
from hansa.kernel.telemetry import configure_logging

_log = structlog.get_logger("hansa.node")
_STOP_TIMEOUT_S = 3
_GARBAGE_AFTER = 25_000
"""How many more containers are made than freed before cycles are looked for (default: 700). What is
just being worked is looked through each time: measured, 10,000 cost 3 % more of a negotiation than
40,000, which cost 3 MB more of memory."""


def read_secret(folder: Path) -> bytes:
    """Give the 32 bytes that seal private keys: `HANSA_SECRET` (hex), or the file secret.key."""
    given = os.environ.get("HANSA_SECRET", "")
    file = folder / "secret.key"
    if not given and file.exists():
        given = file.read_text(encoding="ascii").strip()
    try:
        secret = bytes.fromhex(given)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise HansaError(
            Code.settings_invalid,
            f"The node's secret is missing or not 64 hexadecimal digits ({file}).",
            "Restore secret.key from your backup: without it the node's keys can't be opened.",
            field="secret.key",
        )
    return secret


def run(folder: Path) -> None:
    """Serve the node of `folder` until SIGTERM or Ctrl-C, then stop cleanly."""
    settings = load(folder / "hansa.toml")
    configure_logging(settings.log.level)
    _log.info("starting", node=settings.node.name, url=settings.base_url)
    server = uvicorn.Server(config(settings, folder))
    _rarely_collect()
    server.run()
    _log.info("stopped", node=settings.node.name)


def _rarely_collect() -> None:
    """Keep what the program itself is made of out of every search for garbage, and search rarely.

    Measured, that search took a sixth of the processor time of a node under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER)


def config(settings: Settings, folder: Path) -> uvicorn.Config:
    """Give the server's configuration: uvloop and httptools, no access log, bounded requests."""
    from hansa.node.app import build
    from hansa.node.protocol import BoundedHttp

    return uvicorn.Config(
        build(settings, folder, read_secret(folder)),
        host=settings.node.host,
        port=settings.node.port,
        loop="auto",
        http=BoundedHttp,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_STOP_TIMEOUT_S,
        backlog=2048,
    )
