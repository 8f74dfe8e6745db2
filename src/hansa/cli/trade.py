"""Commands for trading: publish, catalogue, negotiate, agreement, transfer."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from hansa.cli.options import connect, node_options, show
from hansa.client import Client

Json = dict[str, Any]


@click.command("publish")
@click.argument("source")
@click.option("--title", default=None, help="Title of the dataset (default: the file's name).")
@click.option("--terms", "template", default="members", show_default=True, help="Terms template.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the terms."
)
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False), help="Mapping as JSON.")
@click.option(
    "--places", type=click.Path(exists=True, dir_okay=False), help="File with places to join."
)
@click.option("--suggest", is_flag=True, help="Print the suggested mapping and publish nothing.")
@click.option("--licence", default="", help="Licence of the data.")
@click.option("--attribution", default="", help="Who must be named.")
@node_options
def publish_command(
    source: str,
    title: str | None,
    template: str,
    parameters: tuple[str, ...],
    mapping: str | None,
    places: str | None,
    suggest: bool,
    licence: str,
    attribution: str,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Publish a FILE or URL (CSV, GeoJSON, GeoPackage, CityJSON) as a dataset with terms."""
    folder, client, base = connect(node, home)
    fields = {
        "title": title or Path(source).stem,
        "template": template,
        "parameters": json.dumps(dict(_parameter(text) for text in parameters)),
        "licence": licence,
        "attribution": attribution,
    }
    if mapping:
        fields["mapping"] = Path(mapping).read_text(encoding="utf-8")
    path = f"{base}/publish/suggest" if suggest else f"{base}/publish"
    if source.startswith(("http://", "https://")):
        if places:
            raise click.BadParameter(
                "Goes with a file only: fetch SOURCE first.", param_hint="--places"
            )
        answer = client.post(path, {**fields, "url": source})
    else:
        file = Path(source)
        if not file.is_file():
            raise click.BadParameter(f"{source} is not a file.", param_hint="SOURCE")
        files = {"file": (file.name, file.read_bytes())}
        if places:
            files["places"] = (Path(places).name, Path(places).read_bytes())
        answer = client.upload(path, files, fields)
    if suggest:
        click.echo(json.dumps(answer["mapping"], indent=2))
        return
    _report_publication(folder.url, folder.participant, answer, as_json)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--set")
    return name.strip(), value


def _report_publication(url: str, participant: str, answer: Json, as_json: bool) -> None:
    rejected = answer["rejected"]
    dataset = answer["dataset"]
    lines = [
        f"Published “{dataset['title']}”: {_rows(answer['accepted'])} accepted, "
        f"{answer['rejected_count']} set aside.",
        f"Terms: {dataset['offers'][0]['terms']['summary']}",
        f"Look: {url}/console/{participant}/datasets/{dataset['id']}",
    ]
    show(answer, as_json, lines)
    for row in rejected[:20]:
        where = ": ".join(part for part in (f"line {row['line']}", row["field"]) if part)
        click.echo(f"  {where}: {row['reason']}", err=True)
    if len(rejected) > 20:
        click.echo(f"  … and {answer['rejected_count'] - 20} more (--json shows them)", err=True)
    for note in answer.get("notes", ()):
        click.echo(f"Note: {note}", err=True)


@click.command("catalogue")
@click.argument("words", required=False, default="")
@node_options
def catalogue_command(words: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """List datasets of this city and of all members that can be reached."""
    _, client, base = connect(node, home)
    answer = client.get(f"{base}/catalogue", {"q": words})
    lines: list[str] = []
    for item in answer["items"]:
        owner = "own" if item["own"] else item["publisher"]["title"]
        lines.append(f"{item['id']}  {item['title']}  ({owner})")
        lines += [f"    {offer['id']}  {offer['terms']['summary']}" for offer in item["offers"]]
    show(answer, as_json, lines or ["Nothing found."])
    for member in answer["publishers"]:
        if not member["reachable"]:
            why = f": {member['error']}" if member["error"] else ""
            click.echo(f"{member['title']} can't be reached{why}", err=True)


@click.command("negotiate")
@click.argument("dataset")
@click.option("--offer", default=None, help="Which offer (default: the first).")
@node_options
def negotiate_command(
    dataset: str, offer: str | None, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Ask for the dataset with this id; show each state as it comes."""
    _, client, base = connect(node, home)
    items = client.get(f"{base}/catalogue")["items"]
    found = next((item for item in items if item["id"] == dataset and not item["own"]), None)
    if found is None:
        raise click.BadParameter("No other member publishes it. See `hansa catalogue`.")
    body = {
        "provider_did": found["publisher"]["did"],
        "dataset_id": dataset,
        "offer_id": offer or found["offers"][0]["id"],
    }
    negotiation = client.post(f"{base}/negotiations", body)
    negotiation = _follow(client, f"{base}/negotiations/{negotiation['id']}", "FINALIZED", as_json)
    line = f"Agreement {negotiation['agreement_id']}" if negotiation["agreement_id"] else "Refused"
    lines = [f"{line}: {negotiation['error']}" if negotiation["error"] else line]
    if negotiation["agreement_id"]:
        lines.append(f"Next: hansa transfer start {negotiation['agreement_id']}")
    show(negotiation, as_json, lines)
    if negotiation["state"] != "FINALIZED":
        sys.exit(1)


def _follow(client: Client, path: str, end: str, quiet: bool, timeout_s: float = 60.0) -> Json:
    deadline, seen = time.monotonic() + timeout_s, ""
    while True:
        process = client.get(path)
        if process["state"] != seen:
            seen = process["state"]
            if not quiet:
                click.echo(f"  {seen}", err=True)
        if seen in (end, "TERMINATED") or time.monotonic() > deadline:
            return process
        time.sleep(0.02)


@click.group("agreement")
def agreement_command() -> None:
    """See agreements and end them."""


@agreement_command.command("list")
@node_options
def list_agreements(node: str | None, home: Path | None, as_json: bool) -> None:
    """List agreements of both roles."""
    _, client, base = connect(node, home)
    answer = client.get(f"{base}/agreements")
    lines = [
        f"{a['id']}  {a['state']:<8} {a['role']:<9} {a['dataset_title']}  {a['terms']['summary']}"
        for a in answer["items"]
    ]
    show(answer, as_json, lines or ["No agreements yet. See `hansa catalogue`."])


@agreement_command.command("end")
@click.argument("agreement")
@click.option("--reason", required=True, help="The other side reads it.")
@node_options
def end_agreement(
    agreement: str, reason: str, node: str | None, home: Path | None, as_json: bool
) -> None:
    """End an agreement: its transfers stop with the next request."""
    _, client, base = connect(node, home)
    answer = client.post(f"{base}/agreements/{agreement}/end", {"reason": reason})
    show(answer, as_json, ["Ended."])


@click.group("transfer")
def transfer_command() -> None:
    """Start, see and end transfers; get the URL and token."""


@transfer_command.command("list")
@node_options
def list_transfers(node: str | None, home: Path | None, as_json: bool) -> None:
    """List transfers of both roles."""
    _, client, base = connect(node, home)
    answer = client.get(f"{base}/transfers")
    lines = [
        f"{t['id']}  {t['state']:<11} {t['role']:<9} {t['dataset_title']}" for t in answer["items"]
    ]
    show(answer, as_json, lines or ["No transfers yet."])


@transfer_command.command("start")
@click.argument("agreement")
@node_options
def start_transfer(agreement: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Start a transfer under an agreement and print how to read the data."""
    _, client, base = connect(node, home)
    transfer = client.post(f"{base}/transfers", {"agreement_id": agreement})
    transfer = _follow(client, f"{base}/transfers/{transfer['id']}", "STARTED", as_json)
    if transfer["state"] != "STARTED":
        show(transfer, as_json, [f"It did not start: {transfer.get('error') or 'terminated'}"])
        sys.exit(1)
    access = client.get(f"{base}/transfers/{transfer['id']}/access")
    show(access, as_json, [access["curl"]])


@transfer_command.command("access")
@click.argument("transfer")
@node_options
def transfer_access(transfer: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Print the URL and token of a running transfer as a curl command."""
    _, client, base = connect(node, home)
    access = client.get(f"{base}/transfers/{transfer}/access")
    show(access, as_json, [access["curl"]])


@transfer_command.command("end")
@click.argument("transfer")
@click.option("--reason", required=True, help="The other side reads it.")
@node_options
def end_transfer(
    transfer: str, reason: str, node: str | None, home: Path | None, as_json: bool
) -> None:
    """End a transfer; the agreement stays."""
    _, client, base = connect(node, home)
    answer = client.post(f"{base}/transfers/{transfer}/terminate", {"reason": reason})
    show(answer, as_json, ["Ended."])
