"""The house plan, checked: rooms meet at their public face, files and functions stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src" / "hansa"
ROOMS = sorted(folder.name for folder in SRC.iterdir() if (folder / "__init__.py").exists())
FILES = sorted(SRC.rglob("*.py"))
TOP = {"cli", "node", "web", "story"}
LINES_MAX, FUNCTION_LINES_MAX = 400, 70


def room_of(path: Path) -> str:
    """Give the room of a file; a module beside the rooms is its own room."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_rooms_meet_only_at_their_public_face(path: Path) -> None:
    own = room_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        parts = node.module.split(".")
        if parts[0] != "hansa" or len(parts) < 3 or parts[1] in (own, "kernel"):
            continue
        inside_top = own in TOP and parts[1] in TOP
        assert inside_top, f"{path.name}:{node.lineno} reaches into {node.module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SRC)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_MAX
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            assert size <= FUNCTION_LINES_MAX, f"{node.name} has {size} lines"


def test_at_least_95_percent_of_public_functions_say_what_they_do() -> None:
    total, described = 0, 0
    for path in FILES:
        module = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
        public = [c for c in classes if not c.name.startswith("_")]
        for node in [*module.body, *(member for c in public for member in c.body)]:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
                not node.name.startswith("_")
            ):
                total += 1
                described += ast.get_docstring(node) is not None
    assert described / total >= 0.95, f"{described} of {total}"


def test_every_room_tells_what_it_is_for() -> None:
    missing = [room for room in ROOMS if not (SRC / room / "README.md").exists()]
    assert missing == []
