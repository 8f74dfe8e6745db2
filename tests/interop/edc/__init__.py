"""A real EDC connector: fetch, start, ask, stop."""

from tests.interop.edc.connector import Connector, resolve
from tests.interop.edc.management import Counterparty, LostError, Management, ManagementError

__all__ = [
    "Connector",
    "Counterparty",
    "LostError",
    "Management",
    "ManagementError",
    "resolve",
]
