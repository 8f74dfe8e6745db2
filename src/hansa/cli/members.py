"""Commands for membership: join, member."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import click

from hansa.cli.ends import End, leave
from hansa.cli.options import connect, node_options, show


@click.command("join")
@click.argument("url")
@click.option("--message", default="", help="A word to the authority's operator.")
@click.option("--wait", "wait_s", default=10.0, show_default=True, help="Seconds to wait for it.")
@node_options
def join_command(
    url: str, message: str, wait_s: float, node: str | None, home: Path | None, as_json: bool
) -> None:
    """Ask the authority at URL (for example http://localhost:7710/authority) for membership.

    Its operator decides, with `hansa member list` there; until then this ends with status 4.
    """
    _, client, base = connect(node, home)
    client.post(f"{base}/join", {"authority_url": url, "message": message})
    deadline = time.monotonic() + wait_s
    while True:
        membership = client.get(f"{base}/overview")["membership"]
        if membership["state"] != "requested" or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    state = membership["state"]
    lines = {
        "member": "Member: the credential is in the wallet.",
        "requested": "Requested: the authority's operator decides.",
        "refused": f"Refused: {membership.get('reason') or 'no reason given'}",
    }
    show(membership, as_json, [lines.get(state, state)])
    leave({"member": End.done, "requested": End.waits}.get(state, End.refused))


@click.group("member")
def member_command() -> None:
    """See and decide on members and join requests of an authority."""


@member_command.command("list")
@node_options
def list_members(node: str | None, home: Path | None, as_json: bool) -> None:
    """List members and the requests that wait."""
    _, client, base = connect(node or "authority", home)
    members = client.get(f"{base}/members")["items"]
    requests = client.get(f"{base}/join-requests")["items"]
    lines = [f"{m['state']:<10} {m['did']}  {m['title']}" for m in members]
    lines += [
        f"{r['state']:<10} {r['did']}  {r['title']}  request {r['id']}"
        for r in requests
        if r["state"] == "pending"
    ]
    show({"members": members, "requests": requests}, as_json, lines or ["No members yet."])


@member_command.command("approve")
@click.argument("request")
@node_options
def approve(request: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Approve the join request with this id."""
    _, client, base = connect(node or "authority", home)
    answer = client.post(f"{base}/join-requests/{request}/approve")
    show(answer, as_json, ["Approved: the credential is on its way."])


@member_command.command("refuse")
@click.argument("request")
@click.option("--reason", required=True, help="The applicant reads it.")
@node_options
def refuse(request: str, reason: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Refuse the join request with this id."""
    _, client, base = connect(node or "authority", home)
    answer = client.post(f"{base}/join-requests/{request}/refuse", {"reason": reason})
    show(answer, as_json, ["Refused."])


@member_command.command("suspend")
@click.argument("did")
@click.option("--reason", required=True, help="The member reads it.")
@node_options
def suspend(did: str, reason: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """Suspend a member: its calls are refused everywhere within a second."""
    _, client, base = connect(node or "authority", home)
    answer = client.post(f"{base}/members/{quote(did, safe='')}/suspend", {"reason": reason})
    show(answer, as_json, ["Suspended."])


@member_command.command("reinstate")
@click.argument("did")
@node_options
def reinstate(did: str, node: str | None, home: Path | None, as_json: bool) -> None:
    """End a suspension."""
    _, client, base = connect(node or "authority", home)
    answer = client.post(f"{base}/members/{quote(did, safe='')}/reinstate")
    show(answer, as_json, ["Reinstated."])
