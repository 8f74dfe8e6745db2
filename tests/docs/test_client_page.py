"""The examples of the page on the Python client, run against a node."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from node_world import running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "use-the-python-client.md"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


async def test_the_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = PYTHON.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 5
    async with running(tmp_path) as world:
        await world.publish()
        names: dict[str, Any] = {"url": world.url, "token": world.token}

        def example() -> None:
            for block in blocks:
                exec(compile(block, str(PAGE), "exec"), names)

        await asyncio.to_thread(example)
    said = capsys.readouterr().out
    assert "Marks of West - " in said
    assert "West concludes the contract." in said
    assert "not_found There is no such agreement." in said
    assert "transfer.suspended" in said
