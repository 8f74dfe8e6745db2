"""How other connectors write the Dataspace Protocol where they differ from its text."""

from hansa.dialect.edc import PageWanted
from hansa.dialect.model import (
    BARE,
    EDC,
    authorization,
    bare_token,
    forgets_s,
    makes_agreements_anew,
    page_wanted,
    read_address,
    recognise,
    refused_too_early,
    restored_offer,
    settling_s,
    write_address,
    writes_agreements_late,
)

__all__ = [
    "BARE",
    "EDC",
    "PageWanted",
    "authorization",
    "bare_token",
    "forgets_s",
    "restored_offer",
    "makes_agreements_anew",
    "page_wanted",
    "read_address",
    "recognise",
    "refused_too_early",
    "settling_s",
    "write_address",
    "writes_agreements_late",
]
