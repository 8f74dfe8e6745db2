"""Entities pushed as NGSI-LD notifications to the consumer's MQTT broker.

The address: endpoint `mqtt://host[:1883]` or `mqtts://host[:8883]`, and as properties `topic` (or
the path of the endpoint), `username`, `password`, `qos` (0, 1 or 2; 1 unless said otherwise),
`mqttVersion` (`mqtt5.0`, `mqtt3.1.1`), `caCertificate` (PEM, of the broker's own authority). The
payload is that of NGSI-LD 1.9.1 7.2: `{"metadata": {...}, "body": <Notification>}`. With
QoS 1 or 2 a notification counts as delivered when the broker has acknowledged it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import msgspec

from hansa.dataplane.feed import Entities
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes.ngsi_ld_push import EntityPush
from hansa.dataplane.planes.place import Resolver, secret_of, split_endpoint
from hansa.dataplane.planes.tls import Tls
from hansa.dataplane.push import Item, Pushes, Sink
from hansa.dataplane.reasons import unreached
from hansa.dataplane.wire_ngsi_ld_1_9 import MEDIA_TYPE, write_message
from hansa.kernel import Clock, Code, HansaError

if TYPE_CHECKING:
    from paho.mqtt.client import Client as Paho

PROFILE = "Mqtt-PUSH"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_VERSIONS = ("mqtt5.0", "mqtt3.1.1")
_TOPIC_BYTES_MAX = 1_024
_CONNECT_S = 10.0
_KEEPALIVE_S = 30
_PACKET_BYTES_MAX = 64 * 1024
_OTHER_VERSION = 132
_SUCCESS = 0
_NOBODY_LISTENS = 16
_HOPELESS = frozenset({133, 134, 135, 138, 140, 144, 149, 153, 154, 155, 4, 5})
"""Reason codes that no retry mends: credentials, authorisation, topic, size, format."""
_CONNECTING = ThreadPoolExecutor(max_workers=16, thread_name_prefix="hansa-mqtt")
"""Brokers that do not answer hold these threads up and no others."""

_REASONS = {
    4: "bad user name or password",
    5: "not authorised",
    134: "bad user name or password",
    135: "not authorised",
    138: "banned",
    144: "topic name invalid",
    149: "packet too large",
}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where notifications are published."""

    host: str
    port: int
    tls: bool
    topic: str
    username: str | None
    password: str | None
    qos: int
    version: str | None
    authority: str | None

    def __repr__(self) -> str:
        return f"Place(host={self.host!r}, port={self.port}, topic={self.topic!r}, ...)"


def read_place(address: DataAddress) -> Place:
    """Read an address; HansaError invalid_field names what can't be used."""
    told = address.properties
    parts, port = split_endpoint(address.endpoint, _PORTS)
    topic = told.get("topic") or parts.path.lstrip("/")
    if not _publishable(topic):
        raise HansaError(
            Code.invalid_field,
            "The address needs a topic to publish to.",
            "Give `topic`, without wildcards, at most 1024 bytes, not beginning with $.",
            field="topic",
        )
    qos = told.get("qos", "1")
    version = told.get("mqttVersion")
    if qos not in ("0", "1", "2"):
        raise HansaError(Code.invalid_field, "`qos` is 0, 1 or 2.", field="qos")
    if version is not None and version not in _VERSIONS:
        raise HansaError(
            Code.invalid_field,
            f"`mqttVersion` is one of {', '.join(_VERSIONS)}.",
            field="mqttVersion",
        )
    return Place(
        host=str(parts.hostname),
        port=port,
        tls=parts.scheme == "mqtts",
        topic=topic,
        username=secret_of(told, "username"),
        password=secret_of(told, "password"),
        qos=int(qos),
        version=version,
        authority=secret_of(told, "caCertificate"),
    )


def _publishable(topic: str) -> bool:
    return (
        0 < len(topic.encode("utf-8", "replace")) <= _TOPIC_BYTES_MAX
        and not topic.startswith("$")
        and topic.isprintable()
        and not {"+", "#"} & set(topic)
    )


def _client(version: str) -> Paho:
    """Make a client that takes acknowledgements only: whose broker it is, is the consumer's word.

    It subscribes to nothing, so a message to us, or a packet as large as one, ends the connection
    before it is read into memory (the protocol allows 256 MB each, paho any number).
    """
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

    class Client(paho.Client):
        def _sock_recv(self, bufsize: int) -> bytes:
            if bufsize > _PACKET_BYTES_MAX:
                raise ConnectionAbortedError("The broker's packet is too large.")
            return super()._sock_recv(bufsize)

        def _handle_publish(self) -> MQTTErrorCode:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    return Client(
        CallbackAPIVersion.VERSION2,
        protocol=paho.MQTTv5 if version == "mqtt5.0" else paho.MQTTv311,
        reconnect_on_failure=False,
    )


class MqttSink:
    """A sink: each item is published, and delivered when the broker has acknowledged it.

    The client is paho's, driven by the event loop; only to connect it needs a thread. A connection
    is used once: `close` ends it, `open` makes another.
    """

    def __init__(self, place: Place, resolver: Resolver) -> None:
        self._place = place
        self._resolver = resolver
        self._tls = Tls(place.host, place.authority) if place.tls else None
        self._client: Paho | None = None
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._five = True
        self._connected: asyncio.Future[int] | None = None
        self._lost = False

    async def open(self) -> str | None:
        """Connect with MQTT 5.0, or 3.1.1 when the broker knows no other."""
        place = self._place
        addresses = await self._resolver.resolve(place.host, place.port)
        reason = _OTHER_VERSION
        for version in (place.version,) if place.version else _VERSIONS:
            try:
                reason = await self._connect_any(addresses, version)
            except OSError as error:
                raise unreached("The MQTT broker", error) from error
            if reason == _SUCCESS:
                return None
            await self.close()
            if reason not in (1, _OTHER_VERSION):
                break
        raise HansaError(
            Code.counterparty_refused,
            f"The MQTT broker refused the connection: {_named(reason)}.",
            "Check user name and password.",
            permanent=reason in _HOPELESS,
        )

    async def _connect_any(self, addresses: Sequence[str], version: str) -> int:
        """Connect to the first address that answers."""
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connect(address, version)
            await self.close()
        return await self._connect(addresses[-1], version)

    async def _connect(self, address: str, version: str) -> int:
        loop = asyncio.get_running_loop()
        client = _client(version)
        self._client, self._lost, self._five = client, False, version == "mqtt5.0"
        connected: asyncio.Future[int] = loop.create_future()
        self._connected = connected
        if self._place.username is not None:
            client.username_pw_set(self._place.username, self._place.password)
        if self._tls is not None:
            client.tls_set_context(cast(ssl.SSLContext, self._tls))  # it is asked to wrap, no more
        client.connect_timeout = _CONNECT_S

        def connect() -> None:
            client.connect(address, self._place.port, _KEEPALIVE_S)
            if self._client is not client:  # nobody waits for it any more
                _cut(client)

        try:
            await loop.run_in_executor(_CONNECTING, connect)
        except ssl.SSLError as error:
            if self._tls is not None:
                self._tls.close()
            raise _insecure(error) from error
        self._follow(client, loop)
        async with asyncio.timeout(_CONNECT_S):
            return await connected

    def _follow(self, client: Paho, loop: asyncio.AbstractEventLoop) -> None:
        """Let the event loop do the client's reading, writing and keeping alive."""

        def read() -> None:
            client.loop_read()
            at = client.socket()
            if isinstance(at, ssl.SSLSocket) and at.pending():
                loop.call_soon(read)

        def keep_alive() -> None:
            if client.loop_misc() == _SUCCESS:
                loop.call_later(_KEEPALIVE_S / 3, keep_alive)

        def closing(_client: Paho, _data: object, at: Any) -> None:
            loop.remove_reader(at)

        def written(_client: Paho, _data: object, at: Any) -> None:
            loop.remove_writer(at)

        client.on_connect, client.on_publish = self._on_connect, self._on_publish
        client.on_disconnect, client.on_socket_close = self._on_lost, closing
        client.on_socket_register_write = lambda _c, _d, at: loop.add_writer(at, client.loop_write)
        client.on_socket_unregister_write = written
        if (at := client.socket()) is None:
            raise _lost()
        loop.add_reader(at, read)
        client.loop_write()
        keep_alive()

    def _on_connect(self, _client: Paho, _data: object, _flags: Any, reason: Any, _: Any) -> None:
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(reason.value)

    def _on_publish(self, _client: Paho, _data: object, mid: int, reason: Any, _: Any) -> None:
        waiting = self._waiting.pop(mid, None)
        if waiting is not None and not waiting.done():
            _settle(waiting, reason.value)

    def _on_lost(self, _client: Paho, _data: object, _flags: Any, reason: Any, _: Any) -> None:
        self._lost = True
        if self._connected is not None and not self._connected.done():
            self._connected.set_result(reason.value or _OTHER_VERSION)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_lost())
        self._waiting.clear()

    async def write(self, item: Item) -> None:
        """Publish one notification; returns when the broker has it (QoS 1 and 2)."""
        assert item.body is not None
        client = self._client
        if client is None or self._lost:
            raise _lost()
        described = _described() if self._five else None
        sent = client.publish(
            self._place.topic, write_message(item.body), self._place.qos, properties=described
        )
        if sent.rc != _SUCCESS:
            raise _lost()
        # It is written when the event loop says so: nothing can come before we wait for it.
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[sent.mid] = waiting
        await waiting

    async def finish(self, digest: str | None) -> None:
        """Notifications have no end."""

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        self._waiting.clear()
        if client is not None:
            client.disconnect()
            client.loop_write()
            _cut(client)


def _cut(client: Paho) -> None:
    """Close the connection as it is."""
    client._reset_sockets()  # type: ignore[no-untyped-call,unused-ignore]


def _described() -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    described: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    described.ContentType = MEDIA_TYPE
    return described


def _named(reason: int) -> str:
    return _REASONS.get(reason, f"reason {reason}")


def _settle(waiting: asyncio.Future[None], reason: int) -> None:
    if reason in (_SUCCESS, _NOBODY_LISTENS):
        waiting.set_result(None)
        return
    waiting.set_exception(
        HansaError(
            Code.counterparty_refused,
            f"The MQTT broker refused the message: {_named(reason)}.",
            "Check that its user may publish to the topic.",
            permanent=reason in _HOPELESS,
        )
    )


def _insecure(error: ssl.SSLError) -> HansaError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return HansaError(
            Code.outbound_failed,
            "The MQTT broker's certificate was not accepted.",
            f"{error.verify_message.rstrip('.')}. Its authority can be given as `caCertificate`.",
            permanent=True,
        )
    return HansaError(
        Code.outbound_failed, "There is no TLS with the MQTT broker.", str(error.reason)
    )


def _lost() -> HansaError:
    return HansaError(Code.outbound_failed, "The connection to the MQTT broker was lost.")


class MqttPush(EntityPush):
    """`Mqtt-PUSH`: notifications to an MQTT topic."""

    profiles = (PROFILE,)

    def __init__(
        self,
        pushes: Pushes,
        entities: Entities,
        clock: Clock,
        *,
        has_entities: Callable[[str], Awaitable[bool]],
        resolver: Resolver,
    ) -> None:
        super().__init__(pushes, entities, clock, has_entities=has_entities)
        self._resolver = resolver

    def sink(self, address: DataAddress) -> Sink:
        """Give what publishes at the address."""
        return MqttSink(read_place(address), self._resolver)
