"""A throw-away PostgreSQL cluster for tests: on a Unix socket, without durability, gone after."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

MISSING = "PostgreSQL server not found: apt-get install postgresql"
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/pgsql-*/bin")
_START_TIMEOUT_S = 30.0


def find_programs() -> Path | None:
    """Give the folder that holds `initdb` and `postgres`, the newest first, or None."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        folders = [Path(on_path).resolve().parent]
    else:
        folders = sorted(
            (found for pattern in _FOLDERS for found in Path("/").glob(pattern[1:])),
            key=lambda folder: [int(part) for part in str(folder).split("/") if part.isdigit()],
            reverse=True,
        )
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


class PostgresServer:
    """One running cluster. PostgreSQL refuses root, so for root it runs as another user."""

    def __init__(self, programs: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hansa-postgres-", dir="/tmp"))
        self._user: str | None = None
        self._databases = 0
        if os.getuid() == 0:
            self._user = _unprivileged()
            shutil.chown(self._folder, self._user)
        self._folder.chmod(0o755)
        data = self._folder / "data"
        self._run(
            *(str(programs / "initdb"), "-D", str(data), "-U", "hansa", "--auth=trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        self._log = (self._folder / "log").open("wb")
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), *flags],
            stdout=self._log,
            stderr=self._log,
            cwd=self._folder,
            **self._as_user(),
        )
        self._wait()

    def fresh_dsn(self) -> str:
        """Make an empty database and give its connection string."""
        import psycopg

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._dsn(name)

    def stop(self) -> None:
        """End the server, its connections included, and delete its files."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _dsn(self, database: str) -> str:
        return f"host={self._folder} user=hansa dbname={database}"

    def _as_user(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        group = pwd.getpwnam(self._user).pw_gid
        return {"user": self._user, "group": group, "extra_groups": []}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self._folder, **self._as_user()
        )
        if done.returncode != 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise RuntimeError(f"{command[0]} failed: {done.stderr}")

    def _wait(self) -> None:
        import psycopg

        ends = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self._dsn("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > ends:
                    log = (self._folder / "log").read_text(errors="replace")
                    self.stop()
                    raise RuntimeError(f"PostgreSQL did not start: {log}") from error
                time.sleep(0.05)


def _unprivileged() -> str:
    for user in ("postgres", "nobody"):
        try:
            pwd.getpwnam(user)
        except KeyError:
            continue
        return user
    raise RuntimeError("no user `postgres` or `nobody` to run PostgreSQL as")
