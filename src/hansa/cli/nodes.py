"""Commands for one node: init, serve."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from hansa.cli.options import home_option, json_option
from hansa.node.home import Home, NodePlan, default_home


@click.command("init")
@click.argument("name")
@click.option("--role", type=click.Choice(["city", "authority"]), default="city", show_default=True)
@click.option("--title", default=None, help="Name for people (default: the name).")
@click.option("--participant", default=None, help="Id of its participant (default: the name).")
@click.option("--authority", default=None, help="Node of this space whose authority it will join.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=None,
    help="Port (default: the next free one).",
)
@home_option
@click.option("--approve-automatically", is_flag=True, help="Authority: take in whoever asks.")
@json_option
def init_command(
    name: str,
    role: str,
    title: str | None,
    participant: str | None,
    authority: str | None,
    port: int | None,
    home: Path | None,
    approve_automatically: bool,
    as_json: bool,
) -> None:
    """Make a node: its folder, port, secret and settings. The port is kept: its DID contains it."""
    space = Home(home or default_home())
    plan = NodePlan(
        name, participant or name, title or name, role, authority, approve_automatically
    )
    folder = space.add(plan, port)
    if as_json:
        print(json.dumps({"name": name, "url": folder.url, "path": str(folder.path)}))
        return
    click.echo(f"Made node {name} in {folder.path}", err=True)
    click.echo(f"Next: hansa serve {shlex.quote(str(folder.path))}")


@click.command("serve")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def serve_command(folder: Path) -> None:
    """Run the node of FOLDER in the foreground until SIGTERM or Ctrl-C."""
    from hansa.node.serve import run

    run(folder)
