"""Follow a stream of server-sent events over broken connections."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator

import msgspec

from hansa.client.connection import Client
from hansa.client.model import Event
from hansa.kernel.errors import Code, HansaError

_RETRY_S = 0.2
_RETRY_MAX_S = 5.0


def follow_events(client: Client, path: str, after: str | None) -> Iterator[Event]:
    """Give each event once and in order; after a break go on behind the last one.

    HansaError when the node refuses; while it does not answer, it is asked again.
    """
    delay_s = _RETRY_S
    while True:
        headers = {} if after is None else {"Last-Event-ID": after}
        try:
            with client.stream(path, headers) as response:
                delay_s = _RETRY_S
                for event in _events(response):
                    after = event.id
                    yield event
        except (OSError, http.client.HTTPException):
            pass
        except HansaError as error:
            if error.code is not Code.outbound_failed:
                raise
        time.sleep(delay_s)
        delay_s = min(delay_s * 2, _RETRY_MAX_S)


def _events(response: http.client.HTTPResponse) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.get("event") == "change":
            yield msgspec.json.decode(fields["data"].encode(), type=Event)
        fields = {}
