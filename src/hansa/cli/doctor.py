"""Check this machine and the space, and say what to do about what is amiss."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hansa.cli.ends import End, leave
from hansa.cli.options import here, home_option, json_option
from hansa.kernel.errors import HansaError
from hansa.node.home import Home, default_home
from hansa.node.port_claims import port_is_free
from hansa.node.processes import find, probe

Finding = tuple[bool, str, str]


@click.command("doctor")
@home_option
@json_option
def doctor_command(home: Path | None, as_json: bool) -> None:
    """Check Python, disk, libraries, pages, ports and nodes. Status 1 when something is amiss."""
    space = Home(home or default_home())
    findings = [(ok, what, here(then)) for ok, what, then in (*_machine(space), *_space(space))]
    if as_json:
        rows = [
            {"ok": ok, "what": what, "next": "" if ok else following}
            for ok, what, following in findings
        ]
        click.echo(json.dumps({"findings": rows}))
    else:
        for ok, what, following in findings:
            mark = click.style("✓", fg="green") if ok else click.style("✗", fg="red")
            click.echo(f" {mark} {what}" + ("" if ok else f"\n     Next: {following}"))
    leave(End.done if all(ok for ok, _, _ in findings) else End.failed)


def _machine(space: Home) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield sys.version_info >= (3, 11), f"Python {version}", "Install Python 3.11 or newer."
    folder = next(p for p in [space.path, *space.path.parents] if p.exists())
    free_mb = shutil.disk_usage(folder).free // 2**20
    yield free_mb > 500, f"{free_mb} MB free at {folder}", "Free some disk space."
    for name, extra in (("pyproj", "geo"), ("psycopg", "postgres")):
        there = importlib.util.find_spec(name) is not None
        state = "there" if there else f"not there (optional: pip install 'hansa[{extra}]')"
        yield True, f"{name}: {state}", ""
    dist = Path(__file__).parents[1] / "web" / "static" / "dist" / "manifest.json"
    yield dist.exists(), "built pages", "make pages"


def _space(space: Home) -> Iterator[Finding]:
    try:
        nodes = space.nodes()
    except HansaError as error:
        yield False, error.title, error.detail
        return
    if not nodes:
        yield False, f"no space in {space.path}", "hansa up"
    for node in nodes:
        secret = node.path / "secret.key"
        private = secret.exists() and secret.stat().st_mode & 0o077 == 0
        yield (
            private,
            f"{node.name}: secret readable by its owner only",
            f"chmod 600 {shlex.quote(str(secret))}",
        )
        state = find(node)
        if state.pid is None:
            free = port_is_free(node.port)
            word = "stopped" if free else f"stopped, and port {node.port} is taken"
            yield False, f"{node.name}: {word}", "hansa up" if free else "Stop that program."
            continue
        yield state.ready, f"{node.name}: ready, pid {state.pid}", f"hansa logs {node.name}"
        for what, ok in probe(node, "/readyz").items():
            if isinstance(ok, bool) and what != "ready":
                yield ok, f"{node.name}: {what}", f"hansa logs {node.name}"
