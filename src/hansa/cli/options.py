"""What several commands share: which node, and how to print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from hansa.client import Client
from hansa.node.home import Home, NodeFolder, default_home

if TYPE_CHECKING:
    from hansa.client import Participant

Json = dict[str, Any]
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


def path_of(base: str, what: str, subject: str, action: str = "") -> str:
    """Give the API path of one thing, or of something to be done with it."""
    return f"{base}/{what}/{quote(subject, safe='')}" + (f"/{action}" if action else "")


def pages(client: Client, path: str, **query: str | None) -> Iterator[Json]:
    """Give the items of a list, page by page."""
    after: str | None = None
    while True:
        page = client.get(path, {**query, "after": after})
        yield from page["items"]
        after = page.get("next")
        if after is None:
            return


def partner(connected: tuple[NodeFolder, Client, str]) -> Participant:
    """Give the typed client of the participant that `connect` found."""
    from hansa.client import Participant

    folder, client, _ = connected
    return Participant(client, folder.participant)


def parameters_of(texts: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE` texts of `--set`."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--set")
        found[name.strip()] = value
    return found


def say(text: str, quiet: bool) -> None:
    """Tell a person on standard error what goes on; not with `--json`."""
    if not quiet:
        click.echo(text, err=True)
