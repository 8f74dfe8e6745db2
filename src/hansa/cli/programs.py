"""Commands for what other programs are told, and how this side answers: webhook, script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

import click

from hansa.cli.ends import End, leave
from hansa.cli.options import connect, node_options, path_of, show


@click.group("webhook")
def webhook_command() -> None:
    """Tell other programs what happens."""


@webhook_command.command("add")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True, help="`negotiation.*`, `transfer.started` (default: all)."
)
@node_options
def add_webhook(
    url: str, events: tuple[str, ...], node: str | None, home: Path | None, as_json: bool
) -> None:
    """Tell URL what happens from now on; prints the secret that signs it, once."""
    _, client, base = connect(node, home)
    found = client.post(f"{base}/webhooks", {"url": url, "events": list(events) or ["*"]})
    lines = [f"Webhook {found['id']}", f"Secret {found['secret']}"]
    show(found, as_json, [*lines, f"Next: hansa webhook test {found['id']}"])


@webhook_command.command("list")
@node_options
def list_webhooks(node: str | None, home: Path | None, as_json: bool) -> None:
    """List who is told, with the last error."""
    _, client, base = connect(node, home)
    items = client.get(f"{base}/webhooks")["items"]
    lines = []
    for hook in items:
        lines.append(
            f"{hook['id']}  {hook['state']:<8} {hook['url']}  {', '.join(hook['events'])}  "
            f"{hook['delivered']} told, {hook['waiting']} waiting"
        )
        if hook["error"]:
            lines += [f"  Error: {hook['error']}", f"  Next: hansa webhook test {hook['id']}"]
    show({"items": items}, as_json, lines or ["No webhooks. Next: hansa webhook add URL"])


@webhook_command.command("test")
@click.argument("webhook")
@node_options
def check_webhook(webhook: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Send a test event now; a success makes a disabled webhook active again."""
    _, client, base = connect(node, home)
    found = client.post(path_of(base, "webhooks", webhook, "test"))
    word = f"It answered {found['status']} after {found['ms']} ms."
    show(found, as_json, [word if found["ok"] else f"It failed: {found['error']}"])
    unheard = End.failed if found["status"] else End.unreachable
    leave(End.done if found["ok"] else unheard)


@webhook_command.command("remove")
@click.argument("webhook")
@node_options
def remove_webhook(webhook: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Forget a webhook and what waits for it."""
    _, client, base = connect(node, home)
    show(client.delete(path_of(base, "webhooks", webhook)), as_json, ["Removed."])


@click.group("script")
def script_command() -> None:
    """Let this side answer by a script, to rehearse a counterparty."""


@script_command.command("put")
@click.argument("subject")
@click.argument("file", type=click.File(encoding="utf-8"))
@node_options
def put_script(
    subject: str, file: TextIO, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Keep the steps of FILE (JSON list) as the script of a dataset, offer or agreement."""
    try:
        steps = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"No JSON: {error}.", param_hint="FILE") from error
    _, client, base = connect(node, home)
    found = client.put(path_of(base, "scripts", subject), {"steps": steps})
    show(found, as_json, [f"Kept: {len(found['steps'])} steps for {subject}."])


@script_command.command("list")
@node_options
def list_scripts(node: str | None, home: Path | None, as_json: bool) -> None:
    """List the scripts with their steps."""
    _, client, base = connect(node, home)
    items = client.get(f"{base}/scripts")["items"]
    lines = []
    for script in items:
        lines.append(str(script["subject"]))
        lines += [f"  on {step['on']}: {step['do']}" for step in script["steps"]]
    show({"items": items}, as_json, lines or ["No scripts."])


@script_command.command("remove")
@click.argument("subject")
@node_options
def remove_script(subject: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Forget a script: the usual course is taken again."""
    _, client, base = connect(node, home)
    show(client.delete(path_of(base, "scripts", subject)), as_json, ["Removed."])
