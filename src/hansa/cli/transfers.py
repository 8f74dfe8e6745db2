"""Commands for data on the move: transfer."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hansa.cli.ends import End, end_of_process, leave
from hansa.cli.options import (
    address_of,
    connect,
    node_options,
    pages,
    partner,
    path_of,
    say,
    show,
    tell,
)
from hansa.cli.talk import add_action, awaited, print_log, print_messages
from hansa.kernel.errors import Code, HansaError

if TYPE_CHECKING:
    from hansa.client import Participant, Transfer

Json = dict[str, Any]
_DAY_S = 86_400.0


@click.group("transfer")
def transfer_command() -> None:
    """Start, see, pause and end transfers; get the URL and token, or the file."""


@transfer_command.command("list")
@click.option("--state", default=None, help="Only those in this state, for example STARTED.")
@node_options
def list_transfers(state: str | None, node: str | None, home: Path | None, as_json: bool) -> None:
    """List transfers of both roles."""
    _, client, base = connect(node, home)
    items = list(pages(client, f"{base}/transfers", state=state))
    lines = [f"{t['id']}  {t['state']:<11} {t['role']:<9} {t['dataset_title']}" for t in items]
    show({"items": items}, as_json, lines or ["No transfers yet. Next: hansa agreement list"])


@transfer_command.command("show")
@click.argument("transfer")
@node_options
def show_transfer(transfer: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Show one transfer: state, progress, messages, why it ended, what can be done now."""
    connected = connect(node, home)
    if as_json:
        click.echo(json.dumps(connected[1].get(path_of(connected[2], "transfers", transfer))))
        return
    found = partner(connected).transfer(transfer)
    tell(f"{found.dataset_title} ({found.format}): {found.state}, {_progress(found)}")
    print_log(found)
    if found.refusal is not None:
        tell(found.refusal.sentence)
        tell(f"Next: {found.refusal.next}")
    elif trouble := _trouble(found):
        tell(trouble)
    if found.state == "SUSPENDED" and "resume" not in found.actions:
        tell(f"{found.counterparty.title} paused it, and only that side can resume it.")
    for action in found.actions:
        name = "approve" if action == "start" else action
        tail = " --reason TEXT" if action in ("suspend", "terminate") else ""
        tell(f"Next: hansa transfer {name} {found.id}{tail}")


def _trouble(found: Transfer) -> str | None:
    """Say what is wrong with the data flow, in whose words, and when it is tried again."""
    done = found.progress
    if done is None or done.error is None:
        paused = found.state == "SUSPENDED"  # then it is the reason
        return None if paused or found.error is None else f"Error: {found.error}"
    who = "Error" if done.source == "own" else f"{found.counterparty.title} says"
    tries = ""
    if done.attempts and found.state == "STARTED":
        again = f"the next at {done.due.astimezone():%H:%M:%S}" if done.due else "no other follows"
        tries = f" ({'1 try' if done.attempts == 1 else f'{done.attempts} tries'}, {again})"
    return f"{who}: {done.error}{tries}"


def _progress(found: Transfer) -> str:
    done = found.progress
    if done is None:
        return f"{found.usage.bytes} bytes"
    if done.bytes is None:
        return f"{found.counterparty.title} does not tell how far it is"
    who = f"{found.counterparty.title} says: " if done.source == "provider" else ""
    of = f" of {done.total_bytes}" if done.total_bytes is not None else ""
    rate = f", {done.rate_bytes_s:.0f} bytes/s" if done.rate_bytes_s else ""
    items = ", 1 item" if done.items == 1 else f", {done.items} items" if done.items else ""
    return f"{who}{done.bytes}{of} bytes{items}{rate}"


@transfer_command.command("start")
@click.argument("agreement")
@click.option("--format", "format_name", default="HttpData-PULL", show_default=True, help="How.")
@click.option("--to", "url", default=None, help="Push: URL that the data is sent to.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME=VALUE",
    help="Push: of the address. @FILE reads a value, @- standard input; @@ begins with an @.",
)
@click.option("--endpoint-type", default=None, help="Push: kind of the address (an IRI).")
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait.")
@node_options
def start_transfer(
    agreement: str,
    format_name: str,
    url: str | None,
    properties: tuple[str, ...],
    endpoint_type: str | None,
    wait_s: float,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Start a transfer under an agreement.

    A pull prints how to read the data. A push sends it: to --to, or to this node's own inbox.
    Keep a password out of the shell's history: --property password=@FILE, or @- and type it.
    """
    city = partner(connect(node, home))
    address: Json | None = None
    if url is not None or properties or endpoint_type:
        address = {
            "endpoint_type": endpoint_type or "https://w3id.org/idsa/v4.1/HTTP",
            "endpoint": url,
            "properties": address_of(properties),
        }
    began = city.start_transfer(agreement, format_name, data_address=address)
    found = _until(city, began.id, ("STARTED",), wait_s, as_json)
    push = format_name.lower().endswith("push")
    if found.state == "STARTED" and not push:
        access = city.client.get(path_of(city.base, "transfers", began.id, "access"))
        show(access, as_json, [access["curl"]])
        if found.dataset_title and access.get("download"):
            say(f"Next: hansa transfer fetch {began.id}", as_json)
        return
    if as_json:
        click.echo(json.dumps(city.client.get(path_of(city.base, "transfers", began.id))))
    if found.state in ("STARTED", "COMPLETED"):
        say(f"The provider sends. Next: hansa transfer follow {began.id}", as_json)
        return
    _unfinished(found, as_json)


def _until(
    city: Participant, transfer_id: str, states: tuple[str, ...], wait_s: float, quiet: bool
) -> Transfer:
    for _, messages in city.follow_transfer(transfer_id, until=states, timeout_s=wait_s):
        print_messages(messages, quiet)
    return city.transfer(transfer_id)


def _unfinished(found: Transfer, quiet: bool, *, over: bool = False) -> None:
    """Print why a transfer is not where it should be, and end with the status of that."""
    end = end_of_process(found, over=over)
    if end is End.done:
        return
    if found.refusal is not None:
        say(found.refusal.sentence, quiet)
        say(f"Next: {found.refusal.next}", quiet)
    else:
        say(f"{found.state}: {awaited(found)}", quiet)
        following = "resume" if "resume" in found.actions else "follow"
        say(f"Next: hansa transfer {following} {found.id}", quiet)
    leave(end)


@transfer_command.command("follow")
@click.argument("transfer")
@click.option("--wait", "wait_s", default=_DAY_S, help="Seconds to wait (default: a day).")
@node_options
def follow_transfer(
    transfer: str, wait_s: float, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Show messages and progress as they come, until the transfer is over."""
    city = partner(connect(node, home))
    deadline, seen = time.monotonic() + wait_s, ""
    last: list[str] = []
    while True:
        found = city.transfer(transfer, wait=("COMPLETED", "TERMINATED"), timeout_s=1.0)
        print_messages([one for one in found.messages if one.id > seen], as_json)
        seen = found.messages[-1].id if found.messages else seen
        lines = [] if found.progress is None else [_progress(found)]
        lines += [trouble] if found.state == "STARTED" and (trouble := _trouble(found)) else []
        if lines and lines != last:
            say("\n".join(f"  {line}" for line in lines), as_json)
            last = lines
        if found.state in ("COMPLETED", "TERMINATED") or time.monotonic() > deadline:
            break
    if as_json:
        click.echo(json.dumps(city.client.get(path_of(city.base, "transfers", transfer))))
    _unfinished(found, as_json, over=found.state == "COMPLETED")


@transfer_command.command("access")
@click.argument("transfer")
@node_options
def transfer_access(transfer: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Print the URL and token of a running transfer as a curl command."""
    _, client, base = connect(node, home)
    access = client.get(path_of(base, "transfers", transfer, "access"))
    show(access, as_json, [access["curl"]])


@transfer_command.command("forget")
@click.argument("transfer")
@node_options
def forget_transfer(transfer: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Delete the data that a transfer brought to your node, once it is over."""
    _, client, base = connect(node, home)
    found = client.post(path_of(base, "transfers", transfer, "forget"))
    file = " and the file" if found["file"] else ""
    show(found, as_json, [f"Deleted {found['entities']} entities{file}. The log stays."])


@transfer_command.command("fetch")
@click.argument("transfer")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it."
)
@node_options
def fetch_transfer(
    transfer: str, output: Path | None, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Fetch the bytes of a transfer into a file; the same command goes on where it was cut."""
    from hansa.client import fetch

    connected = connect(node, home)
    _, client, base = connected
    city = partner(connected)
    found = city.transfer(transfer)
    sent_to_us = found.format.lower().endswith("push")
    resource = None if sent_to_us and output else city.dataset(found.dataset_id).resource
    if resource is None and not sent_to_us:
        raise HansaError(
            Code.invalid_request,
            "This dataset is entities, not bytes.",
            "They are read by query.",
            next=f"hansa transfer access {shlex.quote(transfer)}",
        )
    file = output or Path((resource.name if resource else "") or "export.ndjson")
    bar: Any = None
    for size, whole in fetch(client, path_of(base, "transfers", transfer, "file"), file):
        if as_json:
            continue
        if bar is None:
            bar = click.progressbar(length=whole or size, label=file.name, file=sys.stderr)
            bar.render_progress()
        bar.update(max(0, size - bar.pos))
    if bar is not None:
        bar.render_finish()
    done = {"file": str(file), "bytes": file.stat().st_size}
    show(done, as_json, [f"{file}: {done['bytes']} bytes"])


def _add(action: str, done: str, words: str, *, name: str = "", reason: bool = False) -> None:
    add_action(transfer_command, action, done, words, name=name, then="show", reason=reason)


_add("start", "Starting.", "Start a transfer that waits for you, as provider.", name="approve")
_add("suspend", "Paused.", "Pause a transfer; only you can resume it.", reason=True)
_add("resume", "Going on.", "Go on with a transfer that you paused.")
_add("complete", "Completed.", "Say that all data have been moved.")
_add("adopt", "Taken over.", "Take over the other side's state, when both disagree.")
_add("retry", "Sending again.", "Send the message that is on its way now.")
_add("download", "Fetching to the node.", "Fetch all bytes to this node, or go on.")
_add("terminate", "Ended.", "End a transfer; the agreement stays.", reason=True)
_add("terminate", "Ended.", "End a transfer, as `terminate` does.", name="end", reason=True)
