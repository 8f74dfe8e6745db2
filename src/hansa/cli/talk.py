"""What negotiations and transfers share: messages as lines, what is awaited, their actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hansa.cli.options import connect, node_options, path_of, say, show, tell

if TYPE_CHECKING:
    from hansa.client import Message, Negotiation, Transfer


def told(message: Message) -> str:
    """Give a message as a sentence, with why it has not arrived when it has not."""
    if message.delivered or not message.error:
        return message.summary
    return f"{message.summary}  (on its way: {message.error})"


def print_messages(messages: Iterable[Message], quiet: bool) -> None:
    """Print messages as they come, one line each: when, what it means, why it has not arrived."""
    for message in messages:
        say(f"  {message.at.astimezone():%H:%M:%S}  {told(message)}", quiet)


def print_log(found: Negotiation | Transfer) -> None:
    """Print all messages that are kept, with their days."""
    for message in found.messages:
        tell(f"  {message.at.astimezone():%d %b %H:%M:%S}  {told(message)}")
    if found.messages_left_out:
        click.echo(f"  {found.messages_left_out} messages between the first and the last are gone")


def awaited(found: Negotiation | Transfer) -> str:
    """Say what something that is not over waits for."""
    if found.delivery is not None and found.delivery.error:
        return f"{found.counterparty.title} is not reached yet: {found.delivery.error}"
    if found.pending:
        return f"It is on its way to {found.counterparty.title}."
    if found.state == "STARTED":
        return "It runs on."
    if "resume" in found.actions:
        return "This side paused it."
    return f"It waits for {found.counterparty.title}."


def add_action(
    group: click.Group,
    action: str,
    done: str,
    words: str,
    *,
    name: str = "",
    then: str = "",
    reason: bool = False,
) -> None:
    """Add the command that does one of the actions of a negotiation or transfer.

    `group` is that of the noun; `name` the command's, if it is not the action's; `then` the verb of
    the command to run next.
    """
    noun = str(group.name)

    def command(
        node: str | None,
        home: Path | None,
        as_json: bool,
        reason: str | None = None,
        **subject: str,
    ) -> None:
        _, client, base = connect(node, home)
        body = {} if reason is None else {"reason": reason}
        found = client.post(path_of(base, f"{noun}s", subject[noun], action), body)
        show(
            found, as_json, [done, *([f"Next: hansa {noun} {then} {found['id']}"] if then else [])]
        )

    command.__doc__ = words
    made: Callable[..., None] = click.argument(noun)(node_options(command))
    if reason:
        made = click.option("--reason", required=True, help="The other side reads it.")(made)
    group.command(name or action)(made)
