"""Commands that are printed for a person: completed so that they can be pasted as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

_AT_A_NODE = (
    "agreement|approvals|catalogue|dataset|join|negotiate|negotiation|publish|script|transfer"
    "|webhook"
)
_OF_A_SPACE = "doctor|down|init|logs|member|open|reset|status|up"
_COMMAND = re.compile(
    rf"\bhansa (?P<noun>{_AT_A_NODE}|{_OF_A_SPACE})\b(?![-/.\w])"
    r"(?:'[^']*'|(?![`\n;)”|&$]|[.,:](?:\s|$)|\s+$|\s[ (])[^'])*"
)


def pasteable(text: str, node: str | None = None, home: Path | None = None) -> str:
    """Add `--node` and `--home` to each `hansa` command in a text, where it lacks them.

    A command ends at a backtick, at the end of a line, where a sentence goes on after a full stop,
    comma or bracket, or where a shell would run something else: a text may quote what others wrote.
    None leaves an option out: the reader's own choice is meant.
    """

    def complete(found: re.Match[str]) -> str:
        command, noun = found[0], found["noun"]
        if command.endswith("--help"):
            return command
        if node and noun in _AT_A_NODE.split("|") and " --node " not in command:
            command += f" --node {shlex.quote(node)}"
        elif node and command == "hansa open":
            command += f" {shlex.quote(node)}"
        if home and " --home " not in command:
            command += f" --home {shlex.quote(str(home))}"
        return command

    return _COMMAND.sub(complete, text)


def parted(text: str) -> list[tuple[str, bool]]:
    """Take a text apart into prose and commands, in order; True marks a command."""
    parts: list[tuple[str, bool]] = []
    done = 0
    for found in _COMMAND.finditer(text):
        parts += [(text[done : found.start()].rstrip("`"), False), (found[0], True)]
        done = found.end()
    parts.append((text[done:].lstrip("`"), False))
    return [(part.strip(), command) for part, command in parts if part.strip(" .,;")]
