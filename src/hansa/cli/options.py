"""What several commands share: which node, and how to print."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import click

from hansa.client import Client
from hansa.kernel.errors import Code, HansaError
from hansa.node.home import Home, NodeFolder, default_home

if TYPE_CHECKING:
    from hansa.client import Participant

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
_AT_A_NODE = re.compile(
    r"hansa (agreement|approvals|catalogue|dataset|join|member|negotiat|publish|script|transfer"
    r"|webhook)"
)
_SUBJECTS = ("transfer", "negotiation", "agreement", "dataset", "webhook")
_SHOWN = _SUBJECTS[:4]
_AWAY = (Code.unavailable, Code.outbound_failed, Code.outbound_timeout)


def node_options(command: F) -> F:
    """Add `--node`, `--home` and `--json`; an error of the command ends with the next command."""

    @functools.wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except HansaError as error:
            _hint(error, click.get_current_context())
            raise

    made = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
    made = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        help="Folder of the space (default: HANSA_HOME or the user data folder).",
    )(made)
    return cast(F, click.option("--node", default=None, help="Which node of the space.")(made))


def _hint(error: HansaError, context: click.Context) -> None:
    """See to it that an error names the next command, for the node that was meant."""
    following = error.facts.get("next")
    if following is None and "hansa " not in error.detail:
        following = _usual_next(error, context)
    if following is not None:
        error.facts["next"] = here(str(following))


def _usual_next(error: HansaError, context: click.Context) -> str:
    given = [(name, context.params[name]) for name in _SUBJECTS if context.params.get(name)]
    if error.facts.get("field") == "--node" or error.code in _AWAY:
        return "hansa status"
    if given and error.code is Code.not_found:
        return f"hansa {given[0][0]} list"
    if given and given[0][0] in _SHOWN and not error.facts.get("field"):
        return f"hansa {given[0][0]} show {given[0][1]}"
    return f"{context.command_path} --help"


def here(text: str) -> str:
    """Add `--node` and `--home` as they were given, where the text ends with a command."""
    context = click.get_current_context(silent=True)
    if context is None or "--node" in text or not _AT_A_NODE.search(text):
        return text
    if text.endswith((".", "--help")):
        return text
    given = ((name, context.params.get(name)) for name in ("node", "home"))
    return text + "".join(f" --{name} {value}" for name, value in given if value)


def tell(text: str) -> None:
    """Print a line for a person; a command in it is for the node that was meant."""
    click.echo(here(text))


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
            tell(line)


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
        click.echo(here(text), err=True)
