"""One running EDC connector on loopback, with ports of its own choice and a small heap."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from tests import jars
from tests.ports import free_ports

VERSION = os.environ.get("EDC") or "0.15.1"
RELEASES = {
    "0.15.1": {"edc": "0.15.1", "edc.cache": "0.14.0", "edc.public": "0.13.0"},
    "0.14.0": {"edc": "0.14.0", "edc.cache": "0.14.0", "edc.public": "0.13.0"},
    "0.13.0": {"edc": "0.13.0", "edc.cache": "0.13.0", "edc.public": "0.13.0"},
}
"""Releases that were tried, each with the versions of what it was published without."""
_HERE = Path(__file__).parent
_MAIN = "org.eclipse.edc.boot.system.runtime.BaseRuntime"
_EXTENSIONS = "META-INF/services/org.eclipse.edc.spi.system.ServiceExtension"
_PATHS = {
    "": "/api",
    "protocol.": "/dsp",
    "management.": "/management",
    "control.": "/control",
    "public.": "/public",
}
_TICKS = ("negotiation.consumer", "negotiation.provider", "transfer", "dataplane")
_READY_S = 120.0


def resolve() -> str:
    """Give the class path: EDC's jars, and our signing key compiled against them.

    JavaUnavailableError when this machine can't have them.
    """
    parts = RELEASES.get(VERSION, {**RELEASES["0.15.1"], "edc": VERSION})
    folder = jars.resolve(_HERE / "pom.xml", parts)
    classes = folder / "hansa-classes"
    if not (classes / _EXTENSIONS).exists():
        subprocess.run(
            ["javac", "-cp", f"{folder}/*", "-d", str(classes), str(_HERE / "SigningKey.java")],
            check=True,
        )
        (classes / _EXTENSIONS).parent.mkdir(parents=True, exist_ok=True)
        (classes / _EXTENSIONS).write_text("hansa.interop.SigningKey\n")
    return f"{classes}:{folder}/*"


class Connector:
    """EDC with mock identity and its data plane: `with Connector("edc") as edc:`.

    `tick_ms` is the pause of its state machines (None: EDC's own default, one second). `settings`
    are more EDC settings.
    """

    def __init__(
        self,
        participant: str,
        *,
        tick_ms: int | None = None,
        heap: str = "256m",
        settings: dict[str, str] | None = None,
        polite: bool = True,
    ) -> None:
        self.participant = participant
        self.folder = Path(tempfile.mkdtemp(prefix=f"hansa-edc-{participant}-"))
        self.log = self.folder / "edc.log"
        self.ready_s = 0.0
        self._heap = heap
        self._polite = polite
        self._process: subprocess.Popen[bytes] | None = None
        ports = dict(zip(_PATHS, free_ports(len(_PATHS)), strict=True))
        self._urls = {
            name.rstrip(".") or "default": f"http://localhost:{ports[name]}{path}"
            for name, path in _PATHS.items()
        }
        self._settings = {"edc.participant.id": participant}
        for name, path in _PATHS.items():
            self._settings[f"web.http.{name}port"] = str(ports[name])
            self._settings[f"web.http.{name}path"] = path
        token = "edc.transfer.proxy.token"
        self._settings[f"{token}.signer.privatekey.alias"] = "token-private"
        self._settings[f"{token}.verifier.publickey.alias"] = "token-public"
        if tick_ms is not None:
            for machine in _TICKS:
                key = f"edc.{machine}.state-machine.iteration-wait-millis"
                self._settings[key] = str(tick_ms)
        self._settings |= settings or {}

    @property
    def dsp_url(self) -> str:
        """Give its Dataspace Protocol 2025-1 base URL, without a trailing slash."""
        return f"{self._urls['protocol']}/2025-1"

    @property
    def management_url(self) -> str:
        """Give the base URL of its management API."""
        return self._urls["management"]

    @property
    def pid(self) -> int:
        """Give its process id."""
        assert self._process is not None, "it is not running"
        return self._process.pid

    def start(self) -> float:
        """Start it, wait until it serves, and give how many seconds that took."""
        file = self.folder / "edc.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in self._settings.items()))
        begun = time.monotonic()
        self._process = jars.start(
            [f"-Dedc.fs.config={file}", "-cp", resolve(), _MAIN, "--no-color"],
            self.log,
            self._heap,
            polite=self._polite,
        )
        while not self._serves():
            waited = time.monotonic() - begun
            if self._process.poll() is not None or waited > _READY_S:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                self.stop()
                raise AssertionError(f"EDC did not start ({waited:.0f} s):\n{tail}")
            time.sleep(0.05)
        self.ready_s = time.monotonic() - begun
        return self.ready_s

    def stop(self) -> None:
        """Stop it and remove its folder."""
        if self._process is not None:
            jars.stop(self._process)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Connector:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _serves(self) -> bool:
        """Say whether it is up and its data plane has announced itself."""
        if b" ready" not in self.log.read_bytes():
            return False
        try:
            with urllib.request.urlopen(f"{self.management_url}/v3/dataplanes", timeout=5) as found:
                planes: list[dict[str, Any]] = json.load(found)
        except (urllib.error.URLError, OSError, ValueError):
            return False
        return any(plane.get("state") == "AVAILABLE" for plane in planes)
