"""Operations about scripts."""

from __future__ import annotations

from typing import Any

import msgspec

from hansa.client import Page, Script
from hansa.node.api.bodies import ScriptSteps
from hansa.node.api.operation import Call, Operation, P, get
from hansa.node.management import Management


async def _put(m: Management, c: Call) -> Any:
    body: ScriptSteps = c.body
    steps = [msgspec.to_builtins(step) for step in body.steps]
    return await m.put_script(*c.one, steps=steps)


_S = f"{P}/scripts"
OPERATIONS: tuple[Operation, ...] = (
    get(_S, "How this side answers by itself", lambda m, c: m.scripts(*c.at), Page[Script]),
    get(f"{_S}/{{id}}", "The script of a subject", lambda m, c: m.script(*c.one), Script),
    Operation(
        "PUT",
        f"{_S}/{{id}}",
        "Keep the script of a dataset, offer or agreement",
        _put,
        Script,
        ScriptSteps,
    ),
    Operation(
        "DELETE",
        f"{_S}/{{id}}",
        "Forget the script of a subject",
        lambda m, c: m.remove_script(*c.one),
        Script,
    ),
)
