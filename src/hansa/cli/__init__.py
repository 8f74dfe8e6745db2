"""The commands. Results on standard output, messages on standard error, `--json` everywhere.

The exit statuses are listed in `ends.py`. Each command's module is imported only when it is called.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from hansa import __version__
from hansa.cli.ends import End, end_of, leave
from hansa.kernel.errors import HansaError

_COMMANDS: dict[str, tuple[str, str]] = {
    "up": (
        "hansa.cli.space",
        "Start a data space: an authority and two cities that trade.",
    ),
    "status": ("hansa.cli.space", "Show which nodes run."),
    "open": ("hansa.cli.space", "Make a sign-in link and open the console."),
    "logs": ("hansa.cli.space", "Show a node's log."),
    "down": ("hansa.cli.space", "Stop all nodes of the space; their state stays."),
    "reset": ("hansa.cli.space", "Stop all nodes and delete their state."),
    "doctor": ("hansa.cli.doctor", "Check this machine and the space, and say what to do."),
    "init": ("hansa.cli.nodes", "Make a node: its folder, port, keys and settings."),
    "serve": ("hansa.cli.nodes", "Run one node in the foreground."),
    "join": ("hansa.cli.members", "Ask an authority for membership."),
    "member": ("hansa.cli.members", "See and decide on members and join requests."),
    "publish": ("hansa.cli.data", "Publish a file as a dataset with terms."),
    "catalogue": ("hansa.cli.data", "List what can be had, and on which terms."),
    "dataset": ("hansa.cli.data", "See, change and withdraw what you publish."),
    "negotiate": ("hansa.cli.negotiations", "Ask for a dataset: negotiate a contract."),
    "negotiation": ("hansa.cli.negotiations", "See negotiations and decide in them."),
    "approvals": ("hansa.cli.negotiations", "List what waits for you."),
    "agreement": ("hansa.cli.agreements", "See agreements, what happened, and end them."),
    "transfer": ("hansa.cli.transfers", "Start, see, pause, end transfers; get URL, token, file."),
    "script": ("hansa.cli.programs", "Let this side answer by a script."),
    "webhook": ("hansa.cli.programs", "Tell other programs what happens."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name + "_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hansa")
def hansa() -> None:
    """A data space for cities. Start with `hansa up`."""


def fail(error: HansaError) -> NoReturn:
    """Print an error for a person and end with the status of its kind."""
    from hansa.cli.options import plain

    click.secho(f"Error: {plain(error.title)}", fg="red", err=True)
    if error.detail:
        click.echo(plain(error.detail), err=True)
    field = error.facts.get("field")
    if field:
        click.echo(plain(f"Where: {field}"), err=True)
    following = error.facts.get("next")
    if following and following != error.detail:
        click.echo(plain(f"Next: {following}"), err=True)
    leave(end_of(error))


def main() -> None:
    """Run the command line."""
    try:
        end = hansa(standalone_mode=False)
    except HansaError as error:
        fail(error)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        click.echo("Stopped.", err=True)
        leave(End.interrupted if error.__cause__ is not None else End.failed)
    sys.exit(end if isinstance(end, int) else End.done)
