"""One MQTT address: what is read of it, TLS, versions, and addresses that are never called."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.ports import free_port

from hansa.dataplane import DataAddress
from hansa.dataplane.planes import tls
from hansa.dataplane.planes.mqtt_push import MqttSink, read_place
from hansa.dataplane.push import Item
from hansa.kernel import Code, HansaError
from hansa.kernel.outbound import OutboundClient, OutboundLimits
from mosquitto import PASSWORD, USER, Mosquitto

LOCAL = OutboundClient(OutboundLimits(allow_loopback=True))
TOLD = {"topic": "city/lamps", "username": USER, "password": PASSWORD}


def address(endpoint: str, **told: str) -> DataAddress:
    return DataAddress(endpoint=endpoint, endpoint_type="MQTT", properties={**TOLD, **told})


@pytest.mark.parametrize(
    ("endpoint", "told", "field"),
    [
        ("http://broker.example", {}, "endpoint"),
        ("mqtt://", {}, "endpoint"),
        ("mqtt://broker.example:99999", {}, "endpoint"),
        ("mqtt://user:secret@broker.example", {}, "endpoint"),
        ("mqtt://broker.example", {"topic": ""}, "topic"),
        ("mqtt://broker.example", {"topic": "city/#"}, "topic"),
        ("mqtt://broker.example", {"topic": "city/+/lamps"}, "topic"),
        ("mqtt://broker.example", {"topic": "$SYS/lamps"}, "topic"),
        ("mqtt://broker.example", {"topic": "city\0"}, "topic"),
        ("mqtt://broker.example", {"topic": "c" * 1025}, "topic"),
        ("mqtt://broker.example", {"qos": "3"}, "qos"),
        ("mqtt://broker.example", {"mqttVersion": "4"}, "mqttVersion"),
        ("mqtt://broker.example", {"password": "p" * 16_001}, "password"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(
    endpoint: str, told: dict[str, str], field: str
) -> None:
    with pytest.raises(HansaError) as caught:
        read_place(address(endpoint, **told))
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, field)
    assert "secret" not in str(caught.value)


def test_ports_topic_and_quality_have_defaults() -> None:
    place = read_place(DataAddress(endpoint="mqtts://broker.example/city/lamps", properties={}))
    assert (place.port, place.tls, place.topic, place.qos) == (8883, True, "city/lamps", 1)
    assert "secret" not in repr(read_place(address("mqtt://b.example", password="a secret")))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.8", "[::1]", "169.254.169.254"])
async def test_addresses_inside_are_not_called(host: str) -> None:
    sink = MqttSink(read_place(address(f"mqtt://{host}:{free_port()}")), OutboundClient())
    with pytest.raises(HansaError) as caught:
        await sink.open()
    assert caught.value.code is Code.outbound_blocked


async def deliver(sink: MqttSink) -> None:
    await sink.open()
    try:
        await sink.write(Item(position="1", body=b'{"id":"n1"}', id="n1"))
    finally:
        await sink.close()


@pytest.mark.parametrize("qos", ["0", "1", "2"])
@pytest.mark.parametrize("version", ["mqtt5.0", "mqtt3.1.1"])
async def test_each_version_and_quality_delivers(broker: Mosquitto, version: str, qos: str) -> None:
    told = {"mqttVersion": version, "qos": qos}
    place = read_place(address(f"mqtt://localhost:{broker.port}", **told))
    await deliver(MqttSink(place, LOCAL))


async def test_connections_hold_no_threads(broker: Mosquitto) -> None:
    place = read_place(address(f"mqtt://localhost:{broker.port}"))
    sinks = [MqttSink(place, LOCAL) for _ in range(3)]
    try:
        for sink in sinks:
            await sink.open()
        assert not [one for one in threading.enumerate() if "paho" in one.name]
    finally:
        for sink in sinks:
            await sink.close()


class OldBroker:
    """A broker that knows only 3.1.1, in front of a real one."""

    def __init__(self, behind: int) -> None:
        self.behind, self.levels = behind, list[int]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(4096)
        self.levels.append(hello[hello.index(b"MQTT") + 4])
        if self.levels[-1] != 4:
            writer.write(b"\x20\x02\x00\x01")
            await writer.drain()
            writer.close()
            return
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.behind)
        there.write(hello)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while part := await source.read(4096):
                target.write(part)
            target.close()

        try:
            await asyncio.gather(pump(reader, there), pump(there_reader, writer))
        finally:
            there.close()
            writer.close()


async def test_a_broker_that_knows_only_3_1_1_is_spoken_to_so(broker: Mosquitto) -> None:
    old = OldBroker(broker.port)
    async with await asyncio.start_server(old.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await deliver(MqttSink(read_place(address(f"mqtt://localhost:{port}")), LOCAL))
    assert old.levels == [5, 4]


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@pytest.mark.parametrize(
    ("name", "trusted", "good"),
    [("localhost", True, True), ("elsewhere", True, False), ("localhost", False, False)],
)
async def test_tls_checks_the_name_and_who_vouches_for_it(
    tmp_path: Path, name: str, trusted: bool, good: bool
) -> None:
    made = certificate(tmp_path, name)
    broker = Mosquitto(tmp_path / "mosquitto", tls=made)
    await broker.start()
    told = {"caCertificate": made[0].read_text()} if trusted else {}
    sink = MqttSink(read_place(address(f"mqtts://localhost:{broker.port}", **told)), LOCAL)
    try:
        if good:
            await deliver(sink)
            return
        with pytest.raises(HansaError) as caught:
            await deliver(sink)
        assert caught.value.code is Code.outbound_failed
        assert caught.value.facts["permanent"] is True
    finally:
        await sink.close()
        broker.stop()


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(HansaError) as caught:
        MqttSink(read_place(address("mqtts://b.example", caCertificate="-----BEGIN")), LOCAL)
    assert caught.value.facts["field"] == "caCertificate"


async def test_the_machines_authorities_are_read_once_and_not_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    usual = ssl.SSLContext.load_default_certs

    def reading(context: ssl.SSLContext, *given: Any) -> None:
        read.append(threading.current_thread().name)
        usual(context, *given)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", reading)
    tls.known_authorities.cache_clear()
    broker = Mosquitto(tmp_path / "mosquitto", tls=certificate(tmp_path, "localhost"))
    await broker.start()
    try:
        for _ in range(2):
            sink = MqttSink(read_place(address(f"mqtts://localhost:{broker.port}")), LOCAL)
            with pytest.raises(HansaError, match="certificate was not accepted"):
                await deliver(sink)
            await sink.close()
    finally:
        broker.stop()
    assert len(read) == 1
    assert read[0].startswith("hansa-mqtt")


async def test_the_payload_is_that_of_ngsi_ld(broker: Mosquitto) -> None:
    from mosquitto import Listener

    listener = Listener(broker.port, "city/#")
    try:
        await listener.ready()
        await deliver(MqttSink(read_place(address(f"mqtt://localhost:{broker.port}")), LOCAL))
        async with asyncio.timeout(60):
            while not listener.payloads:  # noqa: ASYNC110 - filled by another thread
                await asyncio.sleep(0.01)
    finally:
        listener.close()
    message = json.loads(listener.payloads[0])
    assert set(message) == {"metadata", "body"}
    assert message["body"] == {"id": "n1"}


HELLO = {"mqtt5.0": b"\x20\x03\x00\x00\x00", "mqtt3.1.1": b"\x20\x02\x00\x00"}
HUGE = b"\x30" + b"\xff\xff\xff\x7f"
MESSAGE = b"\x30\x06\x00\x01tabc"
MESSAGE_5 = b"\x30\x07\x00\x01t\x00abc"


@pytest.mark.parametrize("version", ["mqtt5.0", "mqtt3.1.1"])
@pytest.mark.parametrize("kind", ["huge", "message"])
async def test_a_broker_that_sends_data_to_us_is_left(version: str, kind: str) -> None:
    left = asyncio.Event()
    sent = 0
    message = MESSAGE_5 if version == "mqtt5.0" else MESSAGE
    more = bytes(1024 * 1024) if kind == "huge" else message * 100_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.read(4096)
        writer.write(HELLO[version])
        try:
            await reader.read(4096)  # what is published: not acknowledged
            writer.write(HUGE if kind == "huge" else message)
            while sent < 64 * 1024 * 1024:  # more than both sockets hold: it waits for a reader
                writer.write(more)
                await writer.drain()
                sent += len(more)
        except ConnectionError:
            left.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        place = read_place(address(f"mqtt://localhost:{port}", mqttVersion=version))
        with pytest.raises(HansaError) as caught:
            async with asyncio.timeout(60):
                await deliver(MqttSink(place, LOCAL))
        assert caught.value.title == "The connection to the MQTT broker was lost."
        async with asyncio.timeout(60):
            await left.wait()
    assert sent < 32 * 1024 * 1024, "nearly nothing of it was read"
