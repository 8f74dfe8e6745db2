"""A real OpenSSH server for tests: `sshd` as this user on a free port, SFTP only."""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import psutil
import pytest
from tests.ports import PATIENCE_S, answers, free_port

from mosquitto import required


class Sshd:
    """A server whose SFTP paths lie below `files`; it lets in the key `client_key`."""

    def __init__(self, folder: Path) -> None:
        self.program, self.sftp = required("sshd"), required("sftp-server")
        self.folder, self.port = folder, free_port()
        self.user = getpass.getuser()
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        host, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.client_key = client.export_private_key().decode()
        self.host_key = host.export_public_key().decode().strip()
        host.write_private_key(str(folder / "host"))
        os.chmod(folder / "host", 0o600)
        keys = folder / "authorized"
        keys.write_bytes(client.export_public_key())
        os.chmod(keys, 0o600)
        log = folder / "sftp.log"
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPidFile {folder}/pid\n"
            f"PasswordAuthentication no\nSubsystem sftp {self.sftp} -d {self.files}\n"
        )
        log.touch()
        self._process: subprocess.Popen[bytes] | None = None

    def _begin(self) -> None:
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            command = [self.program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    async def start(self) -> None:
        self._begin()
        assert self._process is not None
        await answers(self.port, self._process)

    def stop(self) -> None:
        """Stop the server and cut those who are connected."""
        process, self._process = self._process, None
        if process is not None:
            for child in _children(process.pid):
                with contextlib.suppress(psutil.NoSuchProcess):  # it left by itself
                    child.kill()
            process.terminate()
            process.wait(PATIENCE_S)


def _children(pid: int) -> list[psutil.Process]:
    return list(psutil.Process(pid).children(recursive=True))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Sshd]:
    """Give a running server."""
    server = Sshd(tmp_path / "sshd")
    try:
        await server.start()
        yield server
    finally:
        server.stop()
