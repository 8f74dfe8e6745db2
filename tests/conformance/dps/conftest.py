"""Our node as a data plane and as a control plane, with scripted peers on loopback."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from tests.conformance.dps.dataplane_case import DataPlaneCase
from tests.conformance.dps.foreign import Lenient
from tests.conformance.dps.schemas import SHARED
from tests.conformance.dps.world import ControlPlane, ScriptedPlane
from tests.conformance.profile import Profile
from tests.conftest import absent


@pytest.fixture(scope="session")
def profile() -> Iterator[Profile]:
    if not SHARED.is_dir():
        absent(f"no official schemas at {SHARED} (set HANSA_SHARED)")
    profile = Profile()
    lenient = Lenient(profile._app, profile)
    profile._app = lenient  # type: ignore[assignment]
    with profile:
        flows = profile.participant.flows
        flows.register(ScriptedPlane(flows))
        yield profile


@pytest.fixture(scope="session")
def lenient(profile: Profile) -> Lenient:
    """Give what stands in front of the node, for peers that are sloppy."""
    found = profile._app
    assert isinstance(found, Lenient)
    return found


@pytest.fixture(scope="session")
def control(profile: Profile) -> Iterator[ControlPlane]:
    """Give a control plane that is registered at our node, with one secret for both directions."""
    secret = secrets.token_urlsafe(32)
    control = ControlPlane(f"Bearer {secret}")
    DataPlaneCase(profile, control).register(secret)
    yield control
    control.close()


@pytest.fixture
def plane(profile: Profile, control: ControlPlane) -> Iterator[DataPlaneCase]:
    """Give our data plane, as the control plane sees it; what it was told is valid."""
    control.calls.clear()
    control.faults.clear()
    yield DataPlaneCase(profile, control)
    assert control.faults == []
