"""Commands for data: publish, catalogue, dataset."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from hansa.cli.options import connect, node_options, pages, parameters_of, path_of, say, show
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
@click.option("--as-is", is_flag=True, help="Publish the bytes as they are, whatever they are.")
@click.option(
    "--approval",
    type=click.Choice(["automatic", "operator"]),
    default="automatic",
    show_default=True,
    help="Who decides requests: the terms, or you (see `hansa approvals`).",
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
    as_is: bool,
    approval: str,
    suggest: bool,
    licence: str,
    attribution: str,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Publish a FILE or URL (CSV, GeoJSON, GeoPackage, CityJSON) as a dataset with terms.

    With --as-is any file is published byte for byte; members fetch it or have it sent.
    """
    folder, client, base = connect(node, home)
    if as_is:
        words = {
            "title": title or Path(source).name,
            "template": template,
            "parameters": parameters_of(parameters),
            "licence": licence,
            "attribution": attribution,
            "approval": approval,
        }
        made = _publish_bytes(client, base, source, words)
        look = f"{folder.url}/console/{folder.participant}/datasets/{made['dataset']['id']}"
        lines = [
            f"Published “{made['dataset']['title']}” as it is.",
            f"Dataset {made['dataset']['id']}",
            f"Look: {look}",
        ]
        show(made, as_json, lines)
        return
    fields = {
        "title": title or Path(source).stem,
        "template": template,
        "parameters": json.dumps(parameters_of(parameters)),
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


def _publish_bytes(client: Client, base: str, source: str, words: Json) -> Json:
    if source.startswith(("http://", "https://")):
        return client.post(f"{base}/datasets", {**words, "resource": {"url": source}})
    file = Path(source)
    if not file.is_file():
        raise click.BadParameter(f"{source} is not a file.", param_hint="SOURCE")
    query = {**words, "name": file.name, "parameters": json.dumps(words["parameters"])}
    with file.open("rb") as opened:
        return client.send(f"{base}/datasets/upload", query, opened)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _report_publication(url: str, participant: str, answer: Json, as_json: bool) -> None:
    rejected = answer["rejected"]
    dataset = answer["dataset"]
    lines = [
        f"Published “{dataset['title']}”: {_rows(answer['accepted'])} accepted, "
        f"{answer['rejected_count']} set aside.",
        f"Dataset {dataset['id']}",
        f"Terms: {dataset['offers'][0]['terms']['summary']}",
        f"Look: {url}/console/{participant}/datasets/{dataset['id']}",
    ]
    show(answer, as_json, lines)
    for row in rejected[:20]:
        where = ": ".join(part for part in (f"line {row['line']}", row["field"]) if part)
        say(f"  {where}: {row['reason']}", quiet=False)
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
        if member["more"]:
            say(f"{member['title']} has more: search for words.", quiet=False)
        if not member["reachable"]:
            why = f": {member['error']}" if member["error"] else ""
            say(f"{member['title']} can't be reached{why}", quiet=False)


@click.group("dataset")
def dataset_command() -> None:
    """See, change and withdraw what you publish."""


@dataset_command.command("list")
@node_options
def list_datasets(node: str | None, home: Path | None, as_json: bool) -> None:
    """List own datasets."""
    _, client, base = connect(node, home)
    items = list(pages(client, f"{base}/datasets"))
    lines = [f"{d['id']}  {d['title']}  {d['offers'][0]['terms']['summary']}" for d in items]
    show({"items": items}, as_json, lines or ["Nothing published. Next: hansa publish FILE"])


@dataset_command.command("show")
@click.argument("dataset")
@node_options
def show_dataset(dataset: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Show one dataset, own or of another member."""
    _, client, base = connect(node, home)
    found = client.get(path_of(base, "datasets", dataset))
    lines = [f"{found['title']}  ({found['publisher']['title']})", found["description"]]
    for offer in found["offers"]:
        lines += [f"Offer {offer['id']}", *(f"  {text}" for text in offer["terms"]["sentences"])]
    lines.append(f"Formats: {', '.join(found['formats'])}")
    if not found["own"]:
        lines.append(f"Next: hansa negotiate {shlex.quote(found['id'])}")
    show(found, as_json, [line for line in lines if line])


@dataset_command.command("update")
@click.argument("dataset")
@click.option("--title", default=None, help="New title.")
@click.option("--description", default=None, help="New description.")
@click.option("--licence", default=None, help="New licence.")
@click.option("--attribution", default=None, help="Who must be named.")
@click.option("--keyword", "keywords", multiple=True, help="Keywords, in place of those before.")
@click.option("--terms", "template", default=None, help="Terms template of a new offer.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the terms."
)
@click.option(
    "--approval", type=click.Choice(["automatic", "operator"]), help="Who decides requests."
)
@node_options
def update_dataset(
    dataset: str,
    title: str | None,
    description: str | None,
    licence: str | None,
    attribution: str | None,
    keywords: tuple[str, ...],
    template: str | None,
    parameters: tuple[str, ...],
    approval: str | None,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Say something else about a dataset, or offer it on other terms; agreements stay."""
    _, client, base = connect(node, home)
    given = {
        "title": title,
        "description": description,
        "licence": licence,
        "attribution": attribution,
        "keywords": list(keywords) or None,
        "template": template,
        "parameters": parameters_of(parameters) or None,
        "approval": approval,
    }
    change = {name: value for name, value in given.items() if value is not None}
    if not change:
        raise click.UsageError("Nothing to change. See: hansa dataset update --help")
    found = client.patch(path_of(base, "datasets", dataset), change)
    terms = found["offers"][0]["terms"]["summary"]
    show(found, as_json, [f"Changed “{found['title']}”. Terms: {terms}"])


@dataset_command.command("withdraw")
@click.argument("dataset")
@node_options
def withdraw_dataset(dataset: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Take a dataset out of the catalogue; agreements on it stay, but give no more data.

    A file that was uploaded for it is deleted, once no transfer sends it any more.
    """
    _, client, base = connect(node, home)
    found = client.delete(path_of(base, "datasets", dataset))
    told = {
        "deleted": ["Its uploaded file is deleted."],
        "in_use": ["Its uploaded file is deleted when the last running transfer has ended."],
    }.get(found.get("file") or "", [])
    next_step = "Next: hansa agreement list"
    show(found, as_json, [f"Withdrew “{found['title']}”.", *told, next_step])
