"""Commands for contracts that were concluded: agreement."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from hansa.cli.options import connect, node_options, pages, partner, path_of, show, tell


@click.group("agreement")
def agreement_command() -> None:
    """See agreements, what happened under them, and end them."""


@agreement_command.command("list")
@click.option("--state", type=click.Choice(["active", "ended"]), help="Only those in this state.")
@node_options
def list_agreements(state: str | None, node: str | None, home: Path | None, as_json: bool) -> None:
    """List agreements of both roles."""
    _, client, base = connect(node, home)
    items = list(pages(client, f"{base}/agreements", state=state))
    lines = [
        f"{a['id']}  {a['state']:<8} {a['role']:<9} {a['dataset_title']}  {a['terms']['summary']}"
        for a in items
    ]
    show({"items": items}, as_json, lines or ["No agreements yet. Next: hansa catalogue"])


@agreement_command.command("show")
@click.argument("agreement")
@node_options
def show_agreement(agreement: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Show one agreement: its terms, its use, its transfers."""
    connected = connect(node, home)
    if as_json:
        click.echo(json.dumps(connected[1].get(path_of(connected[2], "agreements", agreement))))
        return
    found = partner(connected).agreement(agreement)
    tell(f"{found.dataset_title} with {found.counterparty.title}: {found.state}")
    for text in found.terms.sentences:
        tell(f"  {text}")
    usage = found.usage
    click.echo(f"Read {usage.requests} times: {usage.entities} entities, {usage.bytes} bytes")
    for transfer in found.transfers:
        click.echo(f"  transfer {transfer.id}  {transfer.state}  {transfer.format}")
    if found.state == "ended":
        tell(f"Ended: {found.ended_reason}")
        tell(f"Next: hansa negotiate {shlex.quote(found.dataset_id)}")
    elif found.role == "consumer":
        tell(f"Next: hansa transfer start {shlex.quote(found.id)}")


@agreement_command.command("timeline")
@click.argument("agreement")
@node_options
def agreement_timeline(agreement: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Show all that happened under an agreement, oldest first."""
    connected = connect(node, home)
    if as_json:
        path = path_of(connected[2], "agreements", agreement, "timeline")
        click.echo(json.dumps(connected[1].get(path)))
        return
    for moment in partner(connected).timeline(agreement):
        tell(f"{moment.at.astimezone():%d %b %H:%M:%S}  {moment.kind:<11} {moment.summary}")


@agreement_command.command("end")
@click.argument("agreement")
@click.option("--reason", required=True, help="The other side reads it.")
@node_options
def end_agreement(
    agreement: str, reason: str, node: str | None, home: Path | None, as_json: bool
) -> None:
    """End an agreement: its transfers stop with the next request."""
    _, client, base = connect(node, home)
    answer = client.post(path_of(base, "agreements", agreement, "end"), {"reason": reason})
    show(answer, as_json, ["Ended."])


@agreement_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--role", type=click.Choice(["consumer", "provider"]), required=True, help="Our side."
)
@click.option("--counterparty", required=True, help="DID of the other side.")
@click.option("--dataset", required=True, help="Id of the dataset, the target of the agreement.")
@click.option("--url", default=None, help="DSP base URL of the other side, if no directory has it.")
@node_options
def import_agreement(
    file: str,
    role: str,
    counterparty: str,
    dataset: str,
    url: str | None,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Take in an agreement (ODRL, as JSON) that was concluded elsewhere."""
    _, client, base = connect(node, home)
    body = {
        "agreement": json.loads(Path(file).read_text(encoding="utf-8")),
        "role": role,
        "counterparty": counterparty,
        "dataset_id": dataset,
        "counterparty_url": url,
    }
    answer = client.post(f"{base}/agreements/import", body)
    lines = [f"Agreement {answer['id']}"]
    if role == "consumer":
        lines.append(f"Next: hansa transfer start {shlex.quote(answer['id'])}")
    show(answer, as_json, lines)
