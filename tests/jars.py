"""Java programs that tests run as they are: fetched by Maven once per POM, started and stopped."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import platformdirs

_STOP_S = 10.0
_RESOLVE_S = 900.0


class JavaUnavailableError(Exception):
    """A Java program can't be had here; the text says what is missing."""


def resolve(pom: Path, properties: Mapping[str, str] | None = None) -> Path:
    """Give the folder with the jars that a POM names; Maven fetches them when it is new.

    `properties` replace those of the POM.
    JavaUnavailableError without a JDK or Maven, or when the artefacts can't be fetched.
    """
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            raise JavaUnavailableError(
                f"{program} is missing: apt-get install default-jdk-headless maven"
            )
    given = [f"-D{name}={value}" for name, value in (properties or {}).items()]
    digest = hashlib.sha256(pom.read_bytes() + "".join(given).encode()).hexdigest()[:12]
    folder = Path(platformdirs.user_cache_dir("hansa")) / "java" / f"{pom.parent.name}-{digest}"
    if folder.exists():
        return folder
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    done = subprocess.run(
        [
            *("mvn", "--quiet", "--batch-mode", "--file", str(pom)),
            *("dependency:copy-dependencies", "-DincludeScope=runtime"),
            f"-DoutputDirectory={fresh}",
            *given,
        ],
        capture_output=True,
        text=True,
        timeout=_RESOLVE_S,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise JavaUnavailableError(f"Maven could not fetch the artefacts:\n{done.stdout[-1500:]}")
    try:
        fresh.rename(folder)
    except OSError:  # another run was faster
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def start(
    arguments: list[str], log: Path, heap: str = "256m", *, polite: bool = True
) -> subprocess.Popen[bytes]:
    """Start a Java program with a bounded heap at low priority; its output goes to `log`.

    With `polite=False` (measurements) at its usual priority, with Java's own choice of collector.
    """
    manner = ["nice", "java", "-XX:+UseSerialGC"] if polite else ["java"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*manner, f"-Xmx{heap}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that `start` made: SIGTERM, and SIGKILL when it takes too long."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
