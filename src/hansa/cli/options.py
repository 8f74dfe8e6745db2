"""What several commands share: which node, and how to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from hansa.client import Client
from hansa.node.home import Home, NodeFolder, default_home

F = TypeVar("F", bound=Callable[..., Any])


def node_options(command: F) -> F:
    """Add `--node`, `--home` and `--json`."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    command = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        help="Folder of the space (default: HANSA_HOME or the user data folder).",
    )(command)
    return click.option("--node", default=None, help="Which node of the space.")(command)


def connect(node: str | None, home: Path | None) -> tuple[NodeFolder, Client, str]:
    """Give the node's folder, a client as its operator, and the API path of its participant."""
    folder = Home(home or default_home()).node(node)
    client = Client(folder.url, folder.operator_token)
    click.get_current_context().call_on_close(client.close)
    return folder, client, f"/participants/{folder.participant}"


def show(body: Any, as_json: bool, lines: Sequence[str]) -> None:
    """Print an answer as JSON, or its lines for a person."""
    if as_json:
        click.echo(json.dumps(body))
    else:
        for line in lines:
            click.echo(line)
