"""What several commands share: which node, and how to print."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import click

from hansa.client import Client
from hansa.kernel.commands import pasteable
from hansa.kernel.errors import Code, HansaError
from hansa.node.home import Home, NodeFolder, default_home

if TYPE_CHECKING:
    from hansa.client import Participant

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
_SUBJECTS = ("transfer", "negotiation", "agreement", "dataset", "webhook")
_SHOWN = _SUBJECTS[:4]
_SECRET_MAX = 16_384
_AWAY = (Code.unavailable, Code.outbound_failed, Code.outbound_timeout)


def home_option(command: F) -> F:
    """Add `--home`; an error's commands are for the node and the space that were meant."""

    @functools.wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except HansaError as error:
            _complete(error)
            raise

    option = click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        default=None,
        help="Folder of the space (default: HANSA_HOME, or the platform's user data folder).",
    )
    return cast(F, option(run))


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def node_options(command: F) -> F:
    """Add `--node`, `--home` and `--json`; an error of the command ends with the next command."""

    @functools.wraps(command)
    def run(*args: Any, **values: Any) -> Any:
        try:
            return command(*args, **values)
        except HansaError as error:
            if error.facts.get("next") is None and "hansa " not in error.detail:
                error.facts["next"] = _usual_next(error, click.get_current_context())
            raise

    made = home_option(json_option(run))
    return cast(F, click.option("--node", default=None, help="Which node of the space.")(made))


def _complete(error: HansaError) -> None:
    error.detail = here(error.detail)
    if error.facts.get("next"):
        error.facts["next"] = here(str(error.facts["next"]))


def _usual_next(error: HansaError, context: click.Context) -> str:
    given = [(name, context.params[name]) for name in _SUBJECTS if context.params.get(name)]
    if error.facts.get("field") == "--node" or error.code in _AWAY:
        return "hansa status"
    if given and error.code is Code.not_found:
        return f"hansa {given[0][0]} list"
    if given and given[0][0] in _SHOWN and not error.facts.get("field"):
        return f"hansa {given[0][0]} show {shlex.quote(given[0][1])}"
    return f"{context.command_path} --help"


def plain(text: str) -> str:
    """Give a text without what a terminal obeys or hides; others may have written parts of it."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in text)


def here(text: str) -> str:
    """Complete the commands in a text with the node and the space that this command was given."""
    text, context = plain(text), click.get_current_context(silent=True)
    if context is None:
        return text
    return pasteable(text, context.params.get("node"), context.params.get("home"))


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


def parameters_of(texts: Sequence[str], option: str = "--set") -> dict[str, str]:
    """Read `NAME=VALUE` texts of an option."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=option)
        found[name.strip()] = value
    return found


def address_of(texts: Sequence[str]) -> dict[str, str]:
    """Read `NAME=VALUE` texts of `--property`, in which `@FILE` and `@-` stand for a content.

    A password given so is in no shell history and no list of processes. One line end at the end of
    the content is left out; `@@` stands for one `@`.
    """
    found = {}
    for name, value in parameters_of(texts, "--property").items():
        if value.startswith("@@"):
            value = value[1:]
        elif value.startswith("@"):
            value = _content(value[1:])
        found[name] = value
    return found


def _content(source: str) -> str:
    if source == "-" and sys.stdin.isatty():
        click.echo("Type it, then Ctrl-D at the start of a line:", err=True)
    try:
        if source == "-":
            text = sys.stdin.read(_SECRET_MAX + 1)
        else:
            with Path(source).expanduser().open(encoding="utf-8") as file:
                text = file.read(_SECRET_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise click.BadParameter(
            f"{source} can't be read ({why}). A value that begins with @ is written with @@.",
            param_hint="--property",
        ) from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(text) > _SECRET_MAX:
        what = "is empty" if not text else f"is longer than {_SECRET_MAX} signs"
        raise click.BadParameter(f"{source} {what}.", param_hint="--property")
    return text


def say(text: str, quiet: bool) -> None:
    """Tell a person on standard error what goes on; not with `--json`."""
    if not quiet:
        click.echo(here(text), err=True)
