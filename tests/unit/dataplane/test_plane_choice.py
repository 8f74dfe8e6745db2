"""A format that is not served for a dataset is refused with those that are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from hansa.dataplane import DataFlow, FlowRole
from hansa.dataplane.planes import Plane
from hansa.dataplane.planes.choice import Planes
from hansa.dataplane.planes.http_profile import HttpProfiles
from hansa.kernel import Code, HansaError

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Serving:
    """A plane for some datasets; only what `Planes` asks of it."""

    def __init__(self, *profiles: str, datasets: tuple[str, ...]) -> None:
        self.profiles, self.datasets = profiles, datasets

    async def serves(self, flow: DataFlow) -> bool:
        assert flow.profile in self.profiles
        return flow.dataset_id in self.datasets


def flow(profile: str, dataset: str) -> DataFlow:
    return DataFlow(
        id="t",
        role=FlowRole.provider,
        profile=profile,
        agreement_id="a",
        dataset_id=dataset,
        counterparty="did:web:b",
        created=NOW,
        modified=NOW,
    )


@pytest.mark.parametrize(
    ("dataset", "named"),
    [("file", "HttpData-PULL"), ("entities", "HttpData-PULL, NgsiLd-PUSH"), ("none", "")],
)
async def test_a_refused_format_names_those_of_the_dataset(dataset: str, named: str) -> None:
    planes = Planes()
    aliases: Any = HttpProfiles(planes.plane_for, lambda url, field: None)
    planes.add(
        cast(Plane, Serving("HttpData-PULL", datasets=("file", "entities"))),
        cast(Plane, Serving("NgsiLd-PUSH", datasets=("entities",))),
        aliases,
    )
    with pytest.raises(HansaError) as refused:
        await planes.plane_for(flow("Other-PUSH", dataset))
    assert refused.value.code is Code.invalid_field
    assert refused.value.detail == f"Use one of: {named}."
