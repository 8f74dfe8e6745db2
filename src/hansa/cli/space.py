"""Commands for the whole space on this machine: up, status, open, logs, down, reset."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from hansa.cli.options import here, home_option, json_option
from hansa.client import Client
from hansa.kernel.errors import Code, HansaError
from hansa.node.home import Home, NodeFolder, NodePlan, default_home
from hansa.node.processes import NodeState, find, log_tail, start_missing, stop, wait_ready

SPACE = (
    NodePlan("authority", "authority", "Hansa Authority", "authority", automatic=True),
    NodePlan("delft-west", "delft-west", "Delft West", "city", "authority"),
    NodePlan("delft-east", "delft-east", "Delft East", "city", "authority"),
)


_TRIES = 5


class Steps:
    """Print each step of `up` as it happens, for a person or as JSON lines."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._begin = time.monotonic()
        self._last = self._begin

    def done(self, step: str, text: str, url: str | None = None, ok: bool = True) -> None:
        """Tell that a step ended; its time counts from the end of the step before."""
        now = time.monotonic()
        spent_ms, self._last = round((now - self._last) * 1000), now
        if self._as_json:
            print(json.dumps({"step": step, "ok": ok, "ms": spent_ms, "url": url}), flush=True)
            return
        mark = click.style("✓" if ok else "✗", fg="green" if ok else "red")
        click.echo(f" {mark} {spent_ms:>6} ms  {text}")

    def say(self, text: str = "") -> None:
        """Print a line for a person."""
        if not self._as_json:
            click.echo(here(text))

    @property
    def elapsed_s(self) -> float:
        """Give the seconds since the beginning."""
        return time.monotonic() - self._begin


@click.command("up")
@home_option
@json_option
@click.option("--fresh", is_flag=True, help="Forget the space that is here and start anew.")
@click.option("--foreground", is_flag=True, help="Stay until Ctrl-C, which stops the space.")
@click.option("--no-story", is_flag=True, help="Start the nodes and do nothing else.")
@click.option("--story", is_flag=True, help="Tell the story again, whatever was ended since.")
def up_command(
    home: Path | None, as_json: bool, fresh: bool, foreground: bool, no_story: bool, story: bool
) -> None:
    """Start a data space: an authority and two cities that trade live data under a contract.

    Returns while the space runs on. A second call finds the running space or starts it again with
    its state; the story is told once, so that nothing an operator ended begins again by itself.
    """
    space = Home(home or default_home())
    steps = Steps(as_json)
    with _stopping(space, steps) if foreground else contextlib.nullcontext():
        nodes = _bring_up(space, steps, fresh=fresh, tale=not no_story, again=story)
        if foreground:
            _stay(nodes, steps)


def _bring_up(
    space: Home, steps: Steps, *, fresh: bool, tale: bool, again: bool
) -> list[NodeFolder]:
    if fresh and space.exists:
        stop(space.nodes())
        space.remove()
        steps.done("forget", "forgot the space that was here")
    nodes = _running(space, steps)
    stage = {node.participant for node in nodes} >= {plan.participant for plan in SPACE}
    if tale and stage and (again or not space.told):
        from hansa.story import tell

        tell.tell({n.participant: _client(n) for n in nodes}, nodes, steps)
        space.told = True
    _addresses(nodes, steps)
    return nodes


def _running(space: Home, steps: Steps) -> list[NodeFolder]:
    """Start what does not run; a new space takes other ports when somebody was faster."""
    for more in range(_TRIES - 1, -1, -1):
        new = space.begin(SPACE)
        if new:
            steps.done("init", f"made three nodes in {space.path}")
        nodes = space.nodes()
        try:
            _start_missing(nodes, steps)
        except HansaError as error:
            if not (new and more and error.code is Code.port_taken):
                raise
            stop(nodes)
            space.remove()
        else:
            break
    return nodes


def _start_missing(nodes: list[NodeFolder], steps: Steps) -> None:
    waiting = start_missing(nodes)
    wait_ready(waiting)
    started = sum(process is not None for _, process in waiting)
    if started:
        steps.done("start", f"started {started} of {len(nodes)} nodes, each its own process")
    else:
        steps.done("find", "found the space running")


def _client(node: NodeFolder) -> Client:
    client = Client(node.url, node.operator_token)
    click.get_current_context().call_on_close(client.close)
    return client


def _addresses(nodes: list[NodeFolder], steps: Steps) -> None:
    steps.say()
    steps.say(f"The space is up after {steps.elapsed_s:.1f} s and runs on. Sign in with a click:")
    for node in nodes:
        link = _client(node).post("/sign-in-links")["url"]
        steps.done(f"open:{node.name}", f"{node.name:<12} {link}", link)
    steps.say()
    city = next((node.name for node in reversed(nodes) if node.role == "city"), None)
    if city is not None:
        steps.say(f"Now publish your own file:  hansa publish FILE --node {city}")
        steps.say(f"Look:   hansa status   hansa open {city}        Stop:   hansa down")


def _stay(nodes: list[NodeFolder], steps: Steps) -> None:
    steps.say("Ctrl-C stops the space.")
    while True:
        time.sleep(1)
        gone = [n.name for n in nodes if find(n).pid is None]
        if gone:
            raise HansaError(
                Code.unavailable,
                f"{', '.join(gone)} ended.",
                f"See why with `hansa logs {gone[0]}`; `hansa up` starts it again.",
            )


@contextlib.contextmanager
def _stopping(space: Home, steps: Steps) -> Iterator[None]:
    """Stop the nodes at the end, also when Ctrl-C or SIGTERM comes while they still start."""

    def interrupt(number: int, frame: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # the stop that begins is not cut short
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        steps.say()
    finally:
        stop(space.nodes())
        steps.done("stop", "stopped the space; its state stays")


@click.command("status")
@home_option
@json_option
def status_command(home: Path | None, as_json: bool) -> None:
    """Show which nodes run, where, and how much memory they use."""
    space = Home(home or default_home())
    states = [find(node) for node in space.nodes()]
    if as_json:
        print(json.dumps({"nodes": [state.as_json() for state in states]}))
        return
    if not states:
        click.echo(here(f"No space in {space.path}. Make one with: hansa up"), err=True)
        return
    for state in states:
        click.echo(_status_line(state))


def _status_line(state: NodeState) -> str:
    if state.pid is None:
        word = click.style("stopped", fg="yellow")
    else:
        word = click.style("ready  ", fg="green") if state.ready else "starting"
    memory = f"{state.rss_mb:.0f} MB" if state.rss_mb else ""
    pid = f"pid {state.pid}" if state.pid else ""
    folder = state.folder
    return f"{folder.name:<14} {folder.role:<10} {word}  {folder.url}  {pid:<12} {memory}"


@click.command("open")
@click.argument("node", required=False)
@click.option("--print", "print_only", is_flag=True, help="Print the link, do not open a browser.")
@home_option
@json_option
def open_command(node: str | None, print_only: bool, home: Path | None, as_json: bool) -> None:
    """Make a sign-in link for a node's console (valid ten minutes, once) and open it."""
    folder = Home(home or default_home()).node(node or "delft-east")
    link = str(_client(folder).post("/sign-in-links")["url"])
    if as_json:
        print(json.dumps({"node": folder.name, "url": link}))
        return
    click.echo(link)
    if not print_only and sys.stdout.isatty():
        click.launch(link)


@click.command("logs")
@click.argument("node")
@click.option("-n", "lines", default=50, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come.")
@home_option
def logs_command(node: str, lines: int, follow: bool, home: Path | None) -> None:
    """Show the end of a node's log (JSON lines)."""
    folder = Home(home or default_home()).node(node)
    click.echo(log_tail(folder, lines))
    if not follow:
        return
    with folder.log_file.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, 2)
        try:
            while True:
                line = file.readline()
                if line:
                    click.echo(line, nl=False)
                else:
                    time.sleep(0.2)
        except KeyboardInterrupt:
            return


@click.command("down")
@home_option
@json_option
def down_command(home: Path | None, as_json: bool) -> None:
    """Stop all nodes of the space. Their state stays; `hansa up` starts them again."""
    names = stop(Home(home or default_home()).nodes())
    if as_json:
        print(json.dumps({"stopped": names}))
    else:
        click.echo(f"Stopped {', '.join(names)}." if names else "Nothing was running.", err=True)


@click.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
def reset_command(yes: bool, home: Path | None) -> None:
    """Stop all nodes and delete their state and keys. This cannot be undone."""
    space = Home(home or default_home())
    if not space.exists:
        click.echo(f"There is no space in {space.path}.", err=True)
        return
    if not yes:
        click.confirm(f"Delete the space in {space.path}, with all keys and data?", abort=True)
    stop(space.nodes())
    space.remove()
    click.echo(here("Deleted. Start anew with: hansa up"), err=True)
