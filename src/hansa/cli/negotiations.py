"""Commands for contracts to be: negotiate, negotiation, approvals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hansa.cli.ends import End, end_of_process, leave
from hansa.cli.options import (
    connect,
    here,
    node_options,
    pages,
    parameters_of,
    partner,
    path_of,
    say,
    show,
    tell,
)
from hansa.cli.talk import add_action, awaited, print_log, print_messages

if TYPE_CHECKING:
    from hansa.client import Negotiation, Participant

Json = dict[str, Any]
_DAY_S = 86_400.0
_NEXT = {  # what is answered most often first
    "agree": "hansa negotiation agree {id}",
    "accept": "hansa negotiation accept {id}",
    "verify": "hansa negotiation verify {id}",
    "finalize": "hansa negotiation finalize {id}",
    "counter": "hansa negotiation counter {id} --terms TEMPLATE",
    "terminate": "hansa negotiation terminate {id} --reason TEXT",
    "retry": "hansa negotiation retry {id}",
    "adopt": "hansa negotiation adopt {id}",
    "replay": "hansa negotiation replay {id}",
}


def _answers(negotiation_id: str, actions: Sequence[str]) -> list[str]:
    """Give the commands that do these actions."""
    return [text.format(id=negotiation_id) for name, text in _NEXT.items() if name in actions]


def _report(found: Negotiation, quiet: bool) -> None:
    """Print how a negotiation stands and what can be done; end with the status of that."""
    end = end_of_process(found, over=found.state == "FINALIZED")
    if end is End.refused and found.refusal is not None:
        say(found.refusal.sentence, quiet)
        say(f"Next: {found.refusal.next}", quiet)
    elif end is End.done:
        what = "transfer start" if found.role == "consumer" else "agreement timeline"
        say(f"Next: hansa {what} {shlex.quote(found.agreement_id or '')}", quiet)
        return
    elif found.waiting:
        say("It waits for you.", quiet)
        for command in _answers(found.id, found.actions):
            say(f"Next: {command}", quiet)
    else:
        say(awaited(found), quiet)
        say(f"Next: hansa negotiation follow {found.id}", quiet)
    leave(end)


@click.command("negotiate")
@click.argument("dataset")
@click.option("--offer", default=None, help="Which offer (default: the first).")
@click.option("--terms", "template", default=None, help="Ask for other terms: a template.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of these terms."
)
@click.option("--approve", is_flag=True, help="Accept a counter-offer of the provider.")
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait.")
@node_options
def negotiate_command(
    dataset: str,
    offer: str | None,
    template: str | None,
    parameters: tuple[str, ...],
    approve: bool,
    wait_s: float,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Ask for the dataset with this id; show each message as it comes.

    With --terms other terms are asked for than those published, which the provider may refuse,
    agree to or answer with an offer of its own.
    """
    connected = connect(node, home)
    city = partner(connected)
    found = city.dataset(dataset)
    if found.own:
        raise click.BadParameter(here("It is your own. For those of others: hansa catalogue"))
    odrl = None
    if template is not None:
        odrl = _terms(connected[1], connected[2], template, parameters_of(parameters))
    began = city.negotiate(found, offer_id=offer, offer=odrl)
    _finish(city, began.id, approve=approve, wait_s=wait_s, as_json=as_json)


def _terms(client: Any, base: str, template: str, parameters: Json) -> Json:
    found: Json = client.post(f"{base}/terms", {"template": template, "parameters": parameters})
    odrl: Json = found["odrl"]
    return odrl


def _finish(
    city: Participant, negotiation_id: str, *, approve: bool, wait_s: float, as_json: bool
) -> None:
    """Follow a negotiation to its end, or to where it waits for us."""
    found = city.negotiation(negotiation_id)
    for found, messages in city.follow_negotiation(negotiation_id, timeout_s=wait_s):
        print_messages(messages, as_json)
        if found.waiting and approve and "accept" in found.actions:
            city.act_on_negotiation(negotiation_id, "accept")
        elif found.waiting:
            break
    if as_json:
        click.echo(json.dumps(city.client.get(path_of(city.base, "negotiations", negotiation_id))))
    elif found.agreement_id and found.state == "FINALIZED":
        tell(f"Agreement {found.agreement_id}")
    _report(found, as_json)


@click.group("negotiation")
def negotiation_command() -> None:
    """See negotiations and decide in them."""


@negotiation_command.command("list")
@click.option("--state", default=None, help="Only those in this state, for example OFFERED.")
@click.option("--role", type=click.Choice(["consumer", "provider"]), help="Only this role.")
@node_options
def list_negotiations(
    state: str | None, role: str | None, node: str | None, home: Path | None, as_json: bool
) -> None:
    """List negotiations of both roles, newest first."""
    _, client, base = connect(node, home)
    items = list(pages(client, f"{base}/negotiations", state=state, role=role))
    lines = [
        f"{n['id']}  {n['state']:<10} {n['role']:<9} {n['counterparty']['title']}: "
        f"{n['dataset_title']}{'  (waits for you)' if n['waiting'] else ''}"
        for n in items
    ]
    show({"items": items}, as_json, lines or ["No negotiations yet. Next: hansa catalogue"])


@negotiation_command.command("show")
@click.argument("negotiation")
@node_options
def show_negotiation(negotiation: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Show one negotiation: terms, messages, why it was refused, what can be done now."""
    connected = connect(node, home)
    _, client, base = connected
    if as_json:
        click.echo(json.dumps(client.get(path_of(base, "negotiations", negotiation))))
        return
    found = partner(connected).negotiation(negotiation)
    tell(f"{found.dataset_title} with {found.counterparty.title}: {found.state}")
    for text in found.terms.sentences:
        tell(f"  {text}")
    print_log(found)
    following = ""
    if found.refusal is not None:
        following = found.refusal.next
        tell(found.refusal.sentence)
        tell(f"Next: {following}")
    if found.delivery is not None and found.delivery.error:
        tell(f"On its way after {found.delivery.attempts} tries: {found.delivery.error}")
    if found.agreement_id and found.state == "FINALIZED":
        tell(f"Next: hansa agreement show {shlex.quote(found.agreement_id)}")
    for command in _answers(found.id, found.actions):
        if command not in following:
            tell(f"Next: {command}")


@negotiation_command.command("follow")
@click.argument("negotiation")
@click.option("--wait", "wait_s", default=_DAY_S, help="Seconds to wait (default: a day).")
@node_options
def follow_negotiation(
    negotiation: str, wait_s: float, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Show the messages as they come, until the negotiation is over or waits for you."""
    city = partner(connect(node, home))
    _finish(city, negotiation, approve=False, wait_s=wait_s, as_json=as_json)


def _add(action: str, done: str, words: str) -> None:
    add_action(negotiation_command, action, done, words, then="follow")


_add("accept", "Accepted.", "Accept the provider's offer, as consumer.")
_add("agree", "Agreed.", "Agree to the terms on the table, as provider.")
_add("verify", "Confirmed.", "Confirm the agreement, as consumer.")
_add("finalize", "Concluded.", "Conclude the contract, as provider.")
_add("retry", "Sending again.", "Send the message that is on its way now.")
_add("adopt", "Taken over.", "Take over the other side's state, when both sides disagree.")
_add("replay", "Begun anew.", "Begin a new negotiation on the same terms.")
add_action(negotiation_command, "terminate", "Ended.", "End a negotiation.", reason=True)


@negotiation_command.command("counter")
@click.argument("negotiation")
@click.option("--terms", "template", default=None, help="Terms template.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the terms."
)
@click.option(
    "--odrl", type=click.Path(exists=True, dir_okay=False), help="File with the offer as ODRL."
)
@click.option("--draft", is_flag=True, help="Only show what the terms would mean.")
@node_options
def counter_negotiation(
    negotiation: str,
    template: str | None,
    parameters: tuple[str, ...],
    odrl: str | None,
    draft: bool,
    node: str | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Answer with other terms: the consumer asks for them, the provider offers them."""
    if (template is None) == (odrl is None):
        raise click.UsageError("Give either --terms or --odrl.")
    _, client, base = connect(node, home)
    body: Json = {"template": template, "parameters": parameters_of(parameters)}
    if odrl is not None:
        body = {"offer": json.loads(Path(odrl).read_text(encoding="utf-8"))}
    if draft:
        found = client.post(path_of(base, "negotiations", negotiation, "draft"), body)
        show(found, as_json, found["terms"]["sentences"])
        return
    found = client.post(path_of(base, "negotiations", negotiation, "counter"), body)
    show(found, as_json, ["Proposed.", f"Next: hansa negotiation follow {found['id']}"])


@click.command("approvals")
@node_options
def approvals_command(node: str | None, home: Path | None, as_json: bool) -> None:
    """List what waits for you: negotiations and transfers, with the commands that decide."""
    _, client, base = connect(node, home)
    items = client.get(f"{base}/approvals")["items"]
    lines: list[str] = []
    for item in items:
        lines.append(f"{item['kind']} {item['id']}: {item['summary']}")
        for text in (item["changes"] or {}).get("added", ()):
            lines.append(f"  + {text}")
        for text in (item["changes"] or {}).get("left_out", ()):
            lines.append(f"  - {text}")
        if item["kind"] == "transfer":
            lines.append(f"  Next: hansa transfer approve {item['id']}")
        else:
            lines += [f"  Next: {text}" for text in _answers(item["id"], item["actions"])]
    show({"items": items}, as_json, lines or ["Nothing waits for you."])
