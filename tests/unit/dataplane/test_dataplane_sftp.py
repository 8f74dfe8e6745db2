"""One SFTP address: what is read of it, the pinned key, and uploads that were cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import sha256
from pathlib import Path

import asyncssh
import pytest
from test_dataplane_push import NOW, Book, flow
from tests.ports import free_port

from hansa.dataplane import DataAddress
from hansa.dataplane.planes.sftp_push import SftpSink, read_sftp_place
from hansa.dataplane.push import Allowance, Item, Pushes, Retry
from hansa.kernel import Code, FixedClock, HansaError
from hansa.kernel.outbound import OutboundClient, OutboundLimits
from sshd import Sshd

LOCAL = OutboundClient(OutboundLimits(allow_loopback=True))
BLOCK = 100_000
CONTENT = b"".join(bytes([n]) * BLOCK for n in range(20))
DIGEST = f"sha-256:{sha256(CONTENT).hexdigest()}"


class Blocks:
    """A file in blocks; `before` is waited for before each one."""

    name, total_bytes = "lamps.bin", len(CONTENT)

    def __init__(self, digest: str | None = DIGEST) -> None:
        self.digest = digest
        self.asked: list[int] = []
        self.stop_at = -1
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    def bytes_before(self, position: str) -> int | None:
        return int(position or 0)

    async def items(self, position: str, allowance: Allowance) -> AsyncGenerator[Item, None]:
        at = int(position or 0)
        self.asked.append(at)
        while at < len(CONTENT):
            if at == self.stop_at:
                self.reached.set()
                await self.go.wait()
            end = min(at + BLOCK, len(CONTENT))
            yield Item(position=str(end), body=CONTENT[at:end], requests=int(at == 0))
            at = end


@pytest.fixture
async def book() -> Book:
    return Book()


@pytest.fixture
async def pushes(book: Book) -> AsyncIterator[Pushes]:
    pushes = Pushes(
        book,  # type: ignore[arg-type]
        FixedClock(NOW),
        retry=Retry(first_s=0.02, most_s=0.05, told_after=1_000),
    )
    yield pushes
    await pushes.close()


def address(server: Sshd, **changes: str) -> DataAddress:
    told = {
        "path": "lamps.bin",
        "username": server.user,
        "privateKey": server.client_key,
        "hostKey": server.host_key,
        **changes,
    }
    return DataAddress(
        endpoint=f"sftp://localhost:{server.port}", endpoint_type="SFTP", properties=told
    )


def sink(server: Sshd, source: Blocks, position: str = "", **changes: str) -> SftpSink:
    return SftpSink(read_sftp_place(address(server, **changes)), LOCAL, source, "mark", position)


async def test_a_file_arrives_whole_under_its_name_with_its_digest(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    (server.files / "lamps.bin").write_bytes(b"an older one, longer" * 1_000_000)
    source = Blocks()
    pushes.start(flow(), source, sink(server, source))
    await book.done.wait()
    assert (server.files / "lamps.bin").read_bytes() == CONTENT
    told = (server.files / "lamps.bin.sha256").read_text()
    assert told == f"{DIGEST[8:]}  lamps.bin\n"
    assert sorted(one.name for one in server.files.iterdir()) == ["lamps.bin", "lamps.bin.sha256"]


async def test_until_it_is_whole_the_name_is_not_there(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    source = Blocks()
    source.stop_at = 5 * BLOCK
    pushes.start(flow(), source, sink(server, source))
    await source.reached.wait()
    assert [one.name for one in server.files.iterdir()] == [".lamps.bin.mark.part"]
    source.go.set()
    await book.done.wait()


async def test_a_cut_upload_goes_on_where_it_was(server: Sshd, book: Book, pushes: Pushes) -> None:
    source = Blocks()
    source.stop_at = 7 * BLOCK
    pushes.start(flow(), source, sink(server, source))
    await source.reached.wait()
    server.stop()
    source.stop_at = -1
    source.go.set()
    while not book.progresses[-1].error:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await server.start()
    await book.done.wait()
    assert source.asked == [0, 7 * BLOCK]
    assert (server.files / "lamps.bin").read_bytes() == CONTENT
    assert book.progresses[-1].bytes == len(CONTENT)


async def test_after_a_crash_only_what_was_acknowledged_counts(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    part = server.files / ".lamps.bin.mark.part"
    part.write_bytes(CONTENT[: 3 * BLOCK] + b"not acknowledged, perhaps with holes")
    source = Blocks()
    pushes.start(flow(), source, sink(server, source, str(3 * BLOCK)))
    await book.done.wait()
    assert source.asked == [3 * BLOCK]
    assert (server.files / "lamps.bin").read_bytes() == CONTENT


async def test_what_is_rendered_anew_begins_anew(server: Sshd, book: Book, pushes: Pushes) -> None:
    (server.files / ".lamps.bin.mark.part").write_bytes(b"x" * 3_000_000)
    source = Blocks(digest=None)
    pushes.start(flow(), source, sink(server, source, str(3 * BLOCK)))
    await book.done.wait()
    assert source.asked == [0]
    assert (server.files / "lamps.bin").read_bytes() == CONTENT


async def test_what_was_delivered_before_is_not_sent_again(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    first = Blocks()
    pushes.start(flow(), first, sink(server, first))
    await book.done.wait()
    before = (server.files / "lamps.bin").stat()
    book.done.clear()
    again = Blocks()
    while pushes.running("t1"):  # noqa: ASYNC110
        await asyncio.sleep(0)
    pushes.start(flow(), again, sink(server, again))
    await book.done.wait()
    assert again.asked == [len(CONTENT)]
    assert (server.files / "lamps.bin").stat().st_ino == before.st_ino


async def test_a_path_that_is_a_folder_takes_the_name_of_the_source(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    (server.files / "in").mkdir()
    source = Blocks()
    pushes.start(flow(), source, sink(server, source, path="in/"))
    await book.done.wait()
    assert (server.files / "in" / "lamps.bin").read_bytes() == CONTENT


async def told(book: Book, sink: SftpSink, pushes: Pushes) -> str:
    pushes.start(flow(), Blocks(), sink)
    while pushes.running("t1"):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not book.done.is_set(), "it was sent"
    return book.errors[0]


async def test_another_host_key_is_refused_before_anything_is_sent(
    server: Sshd, book: Book, pushes: Pushes
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    reason = await told(book, sink(server, Blocks(), hostKey=other), pushes)
    assert reason == "counterparty_refused: The SFTP server has another key than the one named."
    assert list(server.files.iterdir()) == []


async def test_a_user_that_is_not_let_in_is_told(server: Sshd, book: Book, pushes: Pushes) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    reason = await told(book, sink(server, Blocks(), privateKey=key), pushes)
    assert reason == "counterparty_refused: The SFTP server does not let this user in."


async def test_a_folder_that_is_not_there_is_told(server: Sshd, book: Book, pushes: Pushes) -> None:
    reason = await told(book, sink(server, Blocks(), path="nowhere/lamps.bin"), pushes)
    assert reason == "counterparty_refused: The SFTP server does not let this path be written."


async def test_a_password_opens_as_well(tmp_path: Path, book: Book, pushes: Pushes) -> None:
    class Guard(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("ann", "a secret")

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[key],
        server_factory=Guard,
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(tmp_path).encode()),
    ) as server:
        where = DataAddress(
            endpoint=f"sftp://localhost:{server.get_port()}",
            properties={
                "path": "lamps.bin",
                "username": "ann",
                "password": "a secret",
                "hostKey": key.export_public_key().decode(),
            },
        )
        source = Blocks()
        pushes.start(flow(), source, SftpSink(read_sftp_place(where), LOCAL, source, "mark", ""))
        await book.done.wait()
    assert (tmp_path / "lamps.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "192.168.0.9", "[::1]"])
async def test_addresses_inside_are_not_called(tmp_path: Path, host: str) -> None:
    server = Sshd(tmp_path / "sshd")
    where = DataAddress(
        endpoint=f"sftp://{host}:{free_port()}", properties=address(server).properties
    )
    with pytest.raises(HansaError) as caught:
        await SftpSink(read_sftp_place(where), OutboundClient(), Blocks(), "m", "").open()
    assert caught.value.code is Code.outbound_blocked


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"path": ""}, "path"),
        ({"path": "in/.."}, "path"),
        ({"path": "a\0b"}, "path"),
        ({"username": ""}, "username"),
        ({"privateKey": ""}, "password"),
        ({"privateKey": "-----BEGIN"}, "privateKey"),
        ({"hostKey": ""}, "hostKey"),
        ({"hostKey": "ssh-ed25519 AAAA"}, "hostKey"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(
    tmp_path: Path, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(HansaError) as caught:
        read_sftp_place(address(Sshd(tmp_path / "sshd"), **changes))
    assert (caught.value.code, caught.value.facts["field"]) == (Code.invalid_field, field)
