"""Files, and exports of entities, sent to the consumer's SFTP server.

The address: endpoint `sftp://host[:22]`, and as properties `path` (a file, or a folder when it ends
in `/`), `username`, `password` or `privateKey` (OpenSSH PEM), and `hostKey`, the public key of
the server as `ssh-keyscan` prints it, without the name: `ssh-ed25519 AAAA...`. It is required:
nothing is sent to a server that can't prove to be the one that the consumer named.

The bytes go to a hidden file beside the target and take its name when they are whole, in one step.
An upload that was cut goes on where the server has it, as far as that was acknowledged. Then
`<path>.sha256` says what the content has to be, as `sha256sum --check` reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from posixpath import basename, dirname, join
from typing import TYPE_CHECKING, Any

import msgspec

from hansa.dataplane.flow import DataFlow, FlowRole
from hansa.dataplane.model import DataAddress
from hansa.dataplane.planes.http_push import Exports, ResourceSource
from hansa.dataplane.planes.ngsi_ld_push import needs_address
from hansa.dataplane.planes.place import Resolver, secret_of, split_endpoint
from hansa.dataplane.ports import Client
from hansa.dataplane.push import Item, Pushes, Source
from hansa.dataplane.reasons import unreached
from hansa.dataplane.resources import Resources
from hansa.dataplane.service import Grants
from hansa.kernel import Code, HansaError

if TYPE_CHECKING:
    from asyncssh import SFTPClient, SSHClientConnection

PROFILE = "Sftp-PUSH"
_PORTS = {"sftp": 22}
_CONNECT_S = 15.0
_KEEPALIVE_S = 15
_PATH_LENGTH_MAX = 1_000
_NAME_LENGTH_MAX = 200
_SIDECAR_BYTES_MAX = 4_096


class SftpPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where files are written; the keys are those of asyncssh."""

    host: str
    port: int
    path: str
    username: str
    password: str | None
    private_key: Any
    host_key: Any

    def __repr__(self) -> str:
        return f"SftpPlace(host={self.host!r}, port={self.port}, path={self.path!r}, ...)"


def read_sftp_place(address: DataAddress) -> SftpPlace:
    """Read an address; HansaError invalid_field names what can't be used."""
    told = address.properties
    parts, port = split_endpoint(address.endpoint, _PORTS)
    path = told.get("path") or parts.path.lstrip("/")
    if not path or len(path) > _PATH_LENGTH_MAX or "\0" in path:
        raise _invalid("path", "The address needs a `path` to write to.")
    if basename(path) in (".", ".."):
        raise _invalid("path", "`path` must name a file, or a folder and end in `/`.")
    if not told.get("username"):
        raise _invalid("username", "The address needs a `username`.")
    password, private = secret_of(told, "password"), secret_of(told, "privateKey")
    if not password and not private:
        raise _invalid("password", "The address needs a `password` or a `privateKey`.")
    return SftpPlace(
        host=str(parts.hostname),
        port=port,
        path=path,
        username=told["username"],
        password=password,
        private_key=None if not private else _key(private, "privateKey"),
        host_key=_key(told.get("hostKey", ""), "hostKey"),
    )


def _key(text: str, field: str) -> Any:
    import asyncssh

    try:
        if field == "hostKey":
            return asyncssh.import_public_key(text.strip())
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise _invalid(field, f"`{field}` is no key that can be used.") from error


def _invalid(field: str, title: str) -> HansaError:
    return HansaError(
        Code.invalid_field,
        title,
        "Properties of the address: path, username, password or privateKey, hostKey.",
        field=field,
    )


class SftpSink:
    """A sink: one file on one server. `delivered` is how far an earlier run got."""

    def __init__(
        self, place: SftpPlace, resolver: Resolver, source: Source, mark: str, delivered: str
    ) -> None:
        """`mark` tells this upload's partial file from others of the same name."""
        self._place = place
        self._resolver = resolver
        self._source = source
        name = getattr(source, "name", "") or "data"
        folder = place.path if place.path.endswith("/") else dirname(place.path)
        self._target = place.path + _plain(name) if place.path.endswith("/") else place.path
        self._part = join(folder, f".{basename(self._target)[:_NAME_LENGTH_MAX]}.{mark}.part")
        self._sidecar = f"{self._target}.sha256"
        self._acknowledged = int(delivered) if delivered.isdigit() else 0
        self._connection: SSHClientConnection | None = None
        self._sftp: SFTPClient | None = None
        self._file: Any = None
        self._whole = False

    async def open(self) -> str | None:
        """Connect and say how much of it is there; the empty position begins anew."""
        await self.close()
        async with _told():
            await self._connect()
            assert self._sftp is not None, "it is connected"
            known = self._source.digest
            if known is not None and await self._there(known):
                self._whole = True
                return str(self._source.total_bytes or "")
            self._file = await self._sftp.open(self._part, "ab")
            await self._file.close()
            self._file = await self._sftp.open(self._part, "rb+")
            size = (await self._sftp.stat(self._part)).size or 0
            kept = min(size, self._acknowledged) if known is not None else 0
            return str(kept) if kept else ""

    async def _connect(self) -> None:
        addresses = await self._resolver.resolve(self._place.host, self._place.port)
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connect_to(address)
        await self._connect_to(addresses[-1])

    async def _connect_to(self, address: str) -> None:
        import asyncssh

        place = self._place
        self._connection = await asyncssh.connect(
            address,
            place.port,
            username=place.username,
            password=place.password,
            client_keys=[place.private_key] if place.private_key is not None else None,
            known_hosts=([place.host_key], [], []),
            config=[],
            agent_path=None,
            connect_timeout=_CONNECT_S,
            login_timeout=_CONNECT_S,
            keepalive_interval=_KEEPALIVE_S,
        )
        self._sftp = await self._connection.start_sftp_client()

    async def _there(self, digest: str) -> bool:
        """Say whether exactly this content was delivered before."""
        assert self._sftp is not None, "it is connected"
        if not await self._sftp.isfile(self._sidecar) or not await self._sftp.isfile(self._target):
            return False
        if (await self._sftp.stat(self._target)).size != self._source.total_bytes:
            return False
        file: Any
        async with self._sftp.open(self._sidecar, "rb") as file:
            told: bytes = await file.read(_SIDECAR_BYTES_MAX)
        return told.split(b" ")[0].decode("ascii", "replace") == digest.removeprefix("sha-256:")

    async def write(self, item: Item) -> None:
        """Write a block where it belongs; returns when the server has acknowledged it."""
        assert item.body is not None
        if self._file is None:
            raise HansaError(Code.outbound_failed, "The SFTP server's connection was lost.")
        end = int(item.position)
        async with _told():
            await self._file.write(item.body, end - len(item.body))
        self._acknowledged = end

    async def finish(self, digest: str | None) -> None:
        """Check the size, give the file its name in one step, and say its digest beside it."""
        if self._whole:
            return
        assert self._sftp is not None, "it is open"
        async with _told():
            await self._file.truncate(self._acknowledged)
            await _synced(self._file)
            await self._file.close()
            size = (await self._sftp.stat(self._part)).size
            total = self._source.total_bytes
            if size != self._acknowledged or (total is not None and size != total):
                raise HansaError(
                    Code.outbound_failed,
                    "The SFTP server does not have all bytes that were sent.",
                    f"It has {size}.",
                )
            await self._named(self._part, self._target)
            if digest is not None:
                line = f"{digest.removeprefix('sha-256:')}  {basename(self._target)}\n"
                file: Any
                async with self._sftp.open(f"{self._part}.sha256", "wb") as file:
                    await file.write(line.encode())
                await self._named(f"{self._part}.sha256", self._sidecar)
        self._whole = True

    async def _named(self, part: str, target: str) -> None:
        import asyncssh

        assert self._sftp is not None, "it is open"
        try:
            await self._sftp.posix_rename(part, target)
        except asyncssh.SFTPOpUnsupported:
            if await self._sftp.exists(target):
                await self._sftp.remove(target)
            await self._sftp.rename(part, target)

    async def close(self) -> None:
        """Disconnect; the partial file stays."""
        connection, self._connection = self._connection, None
        self._sftp = self._file = None
        if connection is not None:
            connection.close()
            await connection.wait_closed()


async def _synced(file: Any) -> None:
    """Ask the server to write to disk, if it can."""
    import asyncssh

    try:
        await file.fsync()
    except asyncssh.SFTPOpUnsupported:
        return


def _plain(name: str) -> str:
    return name.replace("/", "-").replace("\0", "")[:_NAME_LENGTH_MAX].lstrip(".") or "data"


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Say what asyncssh found in the words of the house."""
    import asyncssh

    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise _refused("The SFTP server has another key than the one named.") from error
    except asyncssh.PermissionDenied as error:
        raise _refused("The SFTP server does not let this user in.") from error
    except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile) as error:
        raise _refused("The SFTP server does not let this path be written.") from error
    except OSError as error:
        raise unreached("The SFTP server", error) from error
    except asyncssh.Error as error:
        raise HansaError(
            Code.outbound_failed,
            "The SFTP server broke off.",
            type(error).__name__,
        ) from error


def _refused(title: str) -> HansaError:
    return HansaError(
        Code.counterparty_refused, title, "Give a data address that fits.", permanent=True
    )


class SftpPush:
    """`Sftp-PUSH`: files as they are, datasets of entities as one export."""

    profiles = (PROFILE,)

    def __init__(
        self,
        grants: Grants,
        pushes: Pushes,
        client: Client,
        *,
        resolver: Resolver,
        resources: Resources,
        exports: Exports,
        has_entities: Callable[[str], Awaitable[bool]],
    ) -> None:
        """`client` reads upstream resources, `resolver` finds the servers that may be called."""
        self._grants = grants
        self._pushes = pushes
        self._client = client
        self._resolver = resolver
        self._resources = resources
        self._exports = exports
        self._has_entities = has_entities

    async def serves(self, flow: DataFlow) -> bool:
        """Say whether the dataset can be sent."""
        if flow.role is FlowRole.consumer or await self._has_entities(flow.dataset_id):
            return True
        return await self._resources.resource(flow.dataset_id) is not None

    async def check(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Refuse an address that can't be written to, and terms that would need a filter."""
        if address is not None:
            read_sftp_place(address)
        if flow.role is not FlowRole.provider:
            return
        if await self._resources.resource(flow.dataset_id) is not None:
            await self._grants.check_whole(flow.agreement_id)

    async def prepare(self, flow: DataFlow, address: DataAddress | None) -> DataAddress:
        """Give where to send: what the operator named."""
        if address is None:
            raise needs_address(PROFILE)
        await self.check(flow, address)
        return address

    async def start(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Begin to send, or go on."""
        if address is None:
            raise needs_address(PROFILE)
        place = read_sftp_place(address)
        resource = await self._resources.resource(flow.dataset_id)
        source: Source = (
            self._exports.export(flow)
            if resource is None
            else ResourceSource(resource, self._client)
        )
        mark = sha256(f"{flow.dataset_id} {source.digest or flow.id}".encode()).hexdigest()[:16]
        sink = SftpSink(place, self._resolver, source, mark, flow.progress.position)
        self._pushes.start(flow, source, sink)

    async def started(self, flow: DataFlow, address: DataAddress | None) -> None:
        """Nothing to do: it comes by itself."""

    async def suspend(self, flow: DataFlow, reason: str | None) -> None:
        """Send nothing more for now; what is there stays."""
        await self._pushes.stop(flow.id)

    async def complete(self, flow: DataFlow) -> None:
        """Send nothing more."""
        await self._pushes.stop(flow.id)

    async def terminate(self, flow: DataFlow, reason: str | None) -> None:
        """Send nothing more; the partial file is the consumer's to remove."""
        await self._pushes.stop(flow.id)
