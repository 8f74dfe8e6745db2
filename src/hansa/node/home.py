"""Where a space lives on disk: `HANSA_HOME`, one folder per node.

HANSA_HOME/space.json            version of the layout and the list of nodes
HANSA_HOME/<node>/hansa.toml     its settings; the port is chosen once and kept
HANSA_HOME/<node>/secret.key     what its private keys are sealed with (mode 0600)
HANSA_HOME/<node>/operator.token what its operator's commands sign in with (mode 0600)
HANSA_HOME/<node>/hansa.sqlite   its state;  node.log, node.pid
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa.kernel.errors import Code, HansaError
from hansa.node.port_claims import Claims, claiming

LAYOUT_VERSION = 1
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True)
class NodePlan:
    """What is asked for when a node is made."""

    name: str
    participant: str
    title: str
    role: str
    authority: str | None = None  # name of the authority's node in the same space
    automatic: bool = False  # an authority that takes in whoever asks: for a laptop only


@dataclass(frozen=True)
class NodeFolder:
    """One node's folder."""

    path: Path
    name: str
    role: str
    port: int
    participant: str

    @property
    def url(self) -> str:
        """Give the node's base URL."""
        return f"http://localhost:{self.port}"

    @property
    def settings_file(self) -> Path:
        """Give the path of hansa.toml."""
        return self.path / "hansa.toml"

    @property
    def log_file(self) -> Path:
        """Give the path of the log."""
        return self.path / "node.log"

    @property
    def pid_file(self) -> Path:
        """Give the path of the file with the process id."""
        return self.path / "node.pid"

    @property
    def operator_token(self) -> str:
        """Read the operator's token."""
        return (self.path / "operator.token").read_text(encoding="ascii").strip()

    @property
    def mark(self) -> str:
        """Tell this node from one of the same name in another space; empty when it can't be read.

        `/livez` shows it: a digest of the operator's token, from which nothing can be learnt.
        """
        try:
            return node_mark(self.operator_token)
        except OSError:
            return ""


def node_mark(operator_token: str) -> str:
    """Make a node's mark from its operator's token, 32 random bytes."""
    return hashlib.sha256(b"hansa node " + operator_token.encode("ascii")).hexdigest()[:16]


def default_home() -> Path:
    """Give `HANSA_HOME`, or the platform's user data folder."""
    given = os.environ.get("HANSA_HOME")
    if given:
        return Path(given).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_data_dir("hansa", appauthor=False))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


class Home:
    """All nodes of one space on this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path / "space.json"

    @property
    def exists(self) -> bool:
        """Say whether a space was made here."""
        return self._file.exists()

    @property
    def told(self) -> bool:
        """Say whether the story was told in this space."""
        return (self.path / "story.told").exists()

    @told.setter
    def told(self, value: bool) -> None:
        marker = self.path / "story.told"
        marker.touch() if value else marker.unlink(missing_ok=True)

    def nodes(self) -> list[NodeFolder]:
        """List the nodes; HansaError state_version when a newer Hansa made them."""
        if not self.exists:
            return []
        raw = json.loads(self._file.read_text(encoding="utf-8"))
        if raw.get("version", 0) > LAYOUT_VERSION:
            raise HansaError(
                Code.state_version,
                f"The space in {self.path} was made by a newer Hansa.",
                "Upgrade Hansa, or start anew with `hansa up --fresh`.",
            )
        return [
            NodeFolder(
                path=self.path / item["name"],
                name=item["name"],
                role=item["role"],
                port=item["port"],
                participant=item["participant"],
            )
            for item in raw["nodes"]
        ]

    def node(self, name: str | None) -> NodeFolder:
        """Give one node by name (or by participant); the only one when no name is given."""
        nodes = self.nodes()
        found = [n for n in nodes if name in (n.name, n.participant)] if name else nodes
        if len(found) == 1:
            return found[0]
        if not nodes:
            raise HansaError(
                Code.not_found, f"There is no space in {self.path}.", "Run `hansa up` first."
            )
        names = ", ".join(n.name for n in nodes)
        raise HansaError(
            Code.not_found,
            f"There is no node {name!r} in {self.path}." if name else "Which node?",
            f"Nodes here: {names}. Give one with `--node`.",
            field="--node",
        )

    def begin(self, plans: Sequence[NodePlan]) -> bool:
        """Make the space with its first nodes; say False when it is here already."""
        with claiming() as claims:
            if self.exists:
                return False
            self._claim(claims, plans, claims.choose(len(plans)))
            return True

    def add(self, plan: NodePlan, port: int | None = None) -> NodeFolder:
        """Make one more node: on `port`, or on the next one that nobody has."""
        with claiming() as claims:
            beside = [node.port for node in self.nodes()]
            ports = claims.choose(1, beside) if port is None else [port]
            return self._claim(claims, [plan], ports)[0]

    def _claim(
        self, claims: Claims, plans: Sequence[NodePlan], ports: Sequence[int]
    ) -> list[NodeFolder]:
        made = self.create(plans, ports)
        claims.keep({node.port: node.path.resolve() for node in made})
        return made

    def create(self, plans: Sequence[NodePlan], ports: Sequence[int]) -> list[NodeFolder]:
        """Make the folders of new nodes and add them to the space."""
        existing = self.nodes()
        made: list[NodeFolder] = []
        for plan, port in zip(plans, ports, strict=True):
            present = [*existing, *made]
            _check(plan, port, present)
            folder = NodeFolder(self.path / plan.name, plan.name, plan.role, port, plan.participant)
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            authority = next((n for n in present if n.name == plan.authority), None)
            folder.settings_file.write_text(_toml(plan, folder, authority), encoding="utf-8")
            write_private(folder.path / "secret.key", secrets.token_hex(32))
            write_private(folder.path / "operator.token", secrets.token_urlsafe(32))
            made.append(folder)
        self._write([*existing, *made])
        return made

    def _write(self, nodes: Sequence[NodeFolder]) -> None:
        body = {
            "version": LAYOUT_VERSION,
            "nodes": [
                {"name": n.name, "role": n.role, "port": n.port, "participant": n.participant}
                for n in nodes
            ],
        }
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
        draft.replace(self._file)

    def remove(self) -> None:
        """Delete every node's folder and the space. The nodes must be stopped."""
        import shutil

        for node in self.nodes():
            shutil.rmtree(node.path, ignore_errors=True)
        self.told = False
        self._file.unlink(missing_ok=True)


def _check(plan: NodePlan, port: int, present: Sequence[NodeFolder]) -> None:
    """Refuse a plan that could not run: names become folders, paths and identities."""
    for value, field in ((plan.name, "NAME"), (plan.participant, "--participant")):
        if not _NAME.fullmatch(value):
            raise HansaError(
                Code.invalid_field,
                f"{value!r} can't be the name of a node or participant.",
                "Use 1 to 63 of a-z, 0-9 and '-', with no '-' at either end, for example koeln. "
                "`--title` takes any name for people.",
                field=field,
            )
    if any(node.name == plan.name for node in present):
        raise HansaError(
            Code.already_exists,
            f"A node {plan.name!r} is here already.",
            "Choose another name, or run `hansa status`.",
            field="NAME",
        )
    holder = next((node.name for node in present if node.port == port), None)
    if holder is not None:
        raise HansaError(
            Code.port_taken,
            f"Port {port} is the port of node {holder}.",
            "Choose another, or leave `--port` out.",
            field="--port",
        )
    authorities = [node.name for node in present if node.role == "authority"]
    if plan.authority is not None and plan.authority not in authorities:
        raise HansaError(
            Code.not_found,
            f"There is no authority {plan.authority!r} in this space.",
            f"Authorities here: {', '.join(authorities) or 'none'}. To join another space, run "
            "`hansa join URL` once the node runs.",
            field="--authority",
        )


def _toml(plan: NodePlan, folder: NodeFolder, authority: NodeFolder | None) -> str:
    automatic = "true" if plan.automatic else "false"
    joins = f'authority_url = "{authority.url}/{authority.participant}"\n' if authority else ""
    title = json.dumps(plan.title, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"""# Settings of this node. All keys: docs/reference/settings.md
# The port and the base URL are part of its identity (did:web): keep them.

[node]
name = "{plan.name}"
port = {folder.port}
base_url = "{folder.url}"

[[participants]]
id = "{plan.participant}"
title = {title}
role = "{plan.role}"
{joins}
[outbound]
allow_loopback = true

[trust]
approve_automatically = {automatic}
"""
