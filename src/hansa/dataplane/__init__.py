"""Moving data under an agreement: grants and enforcement, received access, usage."""

from hansa.dataplane.access import AccessStore
from hansa.dataplane.consumer import Consumer, StreamedAnswer
from hansa.dataplane.download import Downloads
from hansa.dataplane.enforcement import Enforcement
from hansa.dataplane.export import EntityExports
from hansa.dataplane.feed import Entities
from hansa.dataplane.flow import (
    NOT_READY,
    DataFlow,
    FlowRole,
    FlowState,
    Opened,
    PlaneAnswer,
    Progress,
    flow_states_markdown,
    is_push,
)
from hansa.dataplane.flows import Flows, register
from hansa.dataplane.http import Fetched, files
from hansa.dataplane.inbox import Inboxes, Receiver, inbox_routes
from hansa.dataplane.inbox_bytes import BytesInbox, file_name
from hansa.dataplane.model import (
    Access,
    DataAddress,
    FetchedAnswer,
    GoverningAgreement,
    Grant,
    GrantState,
    TransferUsage,
)
from hansa.dataplane.notified import Mirrors, Notifications
from hansa.dataplane.planes import Plane
from hansa.dataplane.planes.http_profile import HttpProfiles
from hansa.dataplane.planes.http_pull import HttpPull
from hansa.dataplane.planes.http_push import Exports, HttpPush
from hansa.dataplane.planes.mqtt_push import MqttPush
from hansa.dataplane.planes.ngsi_ld_pull import NgsiLdPull
from hansa.dataplane.planes.ngsi_ld_push import NgsiLdPush
from hansa.dataplane.planes.sftp_push import SftpPush
from hansa.dataplane.ports import AgreementSource, Client, ControlPlane, Sealer, Standing
from hansa.dataplane.progress import ProgressLedger
from hansa.dataplane.push import Pushes
from hansa.dataplane.quota import Quota
from hansa.dataplane.ranges import read_digest
from hansa.dataplane.received import Received, ReceivedFiles, plain_name
from hansa.dataplane.renewal import TOKEN_PATH, TokenEndpoint, token_routes
from hansa.dataplane.renewing import Renewing
from hansa.dataplane.resources import (
    FileResource,
    Resource,
    Resources,
    UpstreamResource,
    digested,
    own_headers,
    store_stream,
)
from hansa.dataplane.service import Grants
from hansa.dataplane.signaling import (
    SIGNALING_PATH,
    Controls,
    ForeignPlanes,
    PeerKind,
    Peers,
    Registration,
    Serving,
    Signaling,
    Workload,
    signaling_routes,
)
from hansa.dataplane.usage import UsageLedger

__all__ = [
    "NOT_READY",
    "SIGNALING_PATH",
    "TOKEN_PATH",
    "Access",
    "AccessStore",
    "AgreementSource",
    "BytesInbox",
    "Client",
    "Consumer",
    "ControlPlane",
    "Controls",
    "DataAddress",
    "DataFlow",
    "Downloads",
    "Enforcement",
    "Entities",
    "EntityExports",
    "Exports",
    "Fetched",
    "FetchedAnswer",
    "FileResource",
    "FlowRole",
    "FlowState",
    "Flows",
    "ForeignPlanes",
    "GoverningAgreement",
    "Grant",
    "GrantState",
    "Grants",
    "HttpProfiles",
    "HttpPull",
    "HttpPush",
    "Inboxes",
    "Mirrors",
    "MqttPush",
    "NgsiLdPull",
    "NgsiLdPush",
    "Notifications",
    "Opened",
    "PeerKind",
    "Peers",
    "Plane",
    "PlaneAnswer",
    "Progress",
    "ProgressLedger",
    "Pushes",
    "Quota",
    "Received",
    "ReceivedFiles",
    "Receiver",
    "Registration",
    "Renewing",
    "Resource",
    "Resources",
    "Sealer",
    "Serving",
    "SftpPush",
    "Signaling",
    "Standing",
    "StreamedAnswer",
    "TokenEndpoint",
    "TransferUsage",
    "UpstreamResource",
    "UsageLedger",
    "Workload",
    "digested",
    "file_name",
    "files",
    "flow_states_markdown",
    "inbox_routes",
    "is_push",
    "own_headers",
    "plain_name",
    "read_digest",
    "register",
    "signaling_routes",
    "store_stream",
    "token_routes",
]
