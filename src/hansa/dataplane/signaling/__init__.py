"""Data Plane Signaling 1.0 (RC3): our planes for other control planes, other planes for ours."""

from hansa.dataplane.signaling.access_tokens import Workload
from hansa.dataplane.signaling.driving import ForeignPlanes
from hansa.dataplane.signaling.http import SIGNALING_PATH, signaling_routes
from hansa.dataplane.signaling.model import Peer, PeerKind
from hansa.dataplane.signaling.peers import Peers
from hansa.dataplane.signaling.service import Controls, Signaling
from hansa.dataplane.signaling.serving import Serving
from hansa.dataplane.signaling.wire_dps_1_0_rc3 import Registration

__all__ = [
    "Controls",
    "ForeignPlanes",
    "SIGNALING_PATH",
    "Peer",
    "PeerKind",
    "Peers",
    "Registration",
    "Serving",
    "Signaling",
    "Workload",
    "signaling_routes",
]
