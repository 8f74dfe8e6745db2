"""Settings of a node: one TOML file, the environment, flags; defaults run.

Order of precedence: flag, `HANSA_SECTION__KEY` in the environment, `hansa.toml`, default. Unknown
keys are errors. The reference page is generated from these structs (`reference()`), so every
setting is documented where it is declared.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

from hansa.kernel.errors import Code, HansaError


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The process itself."""

    name: Annotated[str, Meta(description="Name of the node, used for its folder and logs.")] = (
        "node"
    )
    host: Annotated[str, Meta(description="Address that the server binds to.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port that the server binds to.")] = 7710
    base_url: Annotated[
        str,
        Meta(
            description="URL under which others reach this node. Identities contain it: it is "
            "fixed when the node is made. Empty means `http://localhost:<port>`."
        ),
    ] = ""


class ParticipantSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One participant that the node hosts."""

    id: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            description="Path segment and last part of the DID.",
        ),
    ]
    title: Annotated[str, Meta(description="Name for people.")] = ""
    role: Annotated[str, Meta(pattern="^(city|authority)$", description="`city` or `authority`.")]
    authority_url: Annotated[
        str, Meta(description="Base URL of the authority to join, for example set by `join`.")
    ] = ""
    planes: Annotated[
        tuple[str, ...],
        Meta(
            description="Files in the node's folder, each a registration of a foreign data plane "
            "or control plane (Data Plane Signaling). Secret: mode 0600."
        ),
    ] = ()
    workload: Annotated[
        str,
        Meta(
            description="File in the node's folder that says where and as whom this participant "
            "exchanges its workload's credential for tokens (Data Plane Signaling)."
        ),
    ] = ""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Durable state."""

    backend: Annotated[
        str, Meta(pattern="^(sqlite|postgres)$", description="`sqlite` or `postgres`.")
    ] = "sqlite"
    path: Annotated[str, Meta(description="SQLite file, relative to the node's folder.")] = (
        "hansa.sqlite"
    )
    dsn: Annotated[
        str,
        Meta(description="PostgreSQL connection string. Secret: give it in the environment."),
    ] = ""


class OutboundSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that leave the node."""

    allow_loopback: Annotated[
        bool, Meta(description="Permit calls to this machine: for local use only.")
    ] = False
    allow_private: Annotated[bool, Meta(description="Permit calls to private networks.")] = False
    timeout_s: Annotated[float, Meta(gt=0, description="Longest wait for an answer.")] = 10.0
    body_bytes_max: Annotated[int, Meta(gt=0, description="Largest answer that is read.")] = (
        16 * 1024 * 1024
    )


class FilesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are published, or received from others, as they are."""

    bytes_max: Annotated[
        int, Meta(gt=0, description="Largest file that is taken: uploaded, fetched or pushed here.")
    ] = 64 * 1024 * 1024 * 1024


class ReceivedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What others send to a participant: what has no room is refused for now, with 507."""

    bytes_max: Annotated[
        int, Meta(gt=0, description="Bytes of all files that one participant keeps of others.")
    ] = 256 * 1024 * 1024 * 1024
    entities_max: Annotated[
        int, Meta(gt=0, description="Entities that are kept of one transfer.")
    ] = 1_000_000
    free_bytes_min: Annotated[
        int, Meta(ge=0, description="Bytes of disk that stay free of what others send.")
    ] = 512 * 1024 * 1024


class RatesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often others may call; 20 s worth of it may come at once. Beyond: 429, Retry-After."""

    counterparty_per_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Protocol requests of one counterparty to one participant. 0: no limit.",
        ),
    ] = 1000.0
    refused_per_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Requests of one public address that are refused (400, 401, 403) before "
            "all of its requests have to wait. 0: no limit.",
        ),
    ] = 50.0


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Membership and its status."""

    status_refresh_s: Annotated[
        float, Meta(gt=0, description="How often a member fetches the authority's status list.")
    ] = 1.0
    status_age_max_s: Annotated[
        float,
        Meta(gt=0, description="How long the last status list counts while none can be fetched."),
    ] = 60.0
    approve_automatically: Annotated[
        bool, Meta(description="Authority: approve join requests without a person.")
    ] = False


class MapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The map."""

    tiles_url: Annotated[
        str, Meta(description="Raster tile template `https://.../{z}/{x}/{y}.png`. Empty: none.")
    ] = ""
    tiles_attribution: Annotated[str, Meta(description="Text shown with the tiles.")] = ""


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The log."""

    level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="Least level written.")
    ] = "info"


class JsonLdSettings(msgspec.Struct, frozen=True, kw_only=True):
    """JSON-LD contexts."""

    pinned: Annotated[
        dict[str, str], Meta(description="Exact context URL to a file in the node's folder.")
    ] = {}
    fetch: Annotated[
        bool, Meta(description="Fetch contexts that are not pinned, through the guarded client.")
    ] = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a node."""

    node: NodeSettings = NodeSettings()
    participants: tuple[ParticipantSettings, ...] = ()
    store: StoreSettings = StoreSettings()
    outbound: OutboundSettings = OutboundSettings()
    files: FilesSettings = FilesSettings()
    received: ReceivedSettings = ReceivedSettings()
    rates: RatesSettings = RatesSettings()
    trust: TrustSettings = TrustSettings()
    map: MapSettings = MapSettings()
    log: LogSettings = LogSettings()
    jsonld: JsonLdSettings = JsonLdSettings()

    @property
    def base_url(self) -> str:
        """Give the URL under which others reach this node, without a slash at the end."""
        return self.node.base_url.rstrip("/") or f"http://localhost:{self.node.port}"


_PREFIX = "HANSA_"
_NOT_SETTINGS = frozenset({"HOME", "SHARED", "REQUIRE_ALL", "FAULT_KILL", "SECRET", "LOG_STDERR"})


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Load settings; HansaError settings_invalid names the key, what is allowed, and the source."""
    merged: dict[str, Any] = {}
    if file is not None and file.exists():
        try:
            merged = tomllib.loads(file.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise _invalid(str(file), f"The file is not valid TOML: {error}.") from error
        _check_known(merged, str(file))
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(_PREFIX) and name[len(_PREFIX) :] not in _NOT_SETTINGS:
            _set(merged, name[len(_PREFIX) :].lower().split("__"), value, name)
    for name, value in (flags or {}).items():
        if value is not None:
            _set(merged, name.split("."), value, f"--{name}")
    try:
        return msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(str(file or "settings"), str(error)) from error


def _set(merged: dict[str, Any], path: list[str], value: Any, source: str) -> None:
    if len(path) != 2:
        raise _invalid(source, "A setting is named SECTION__KEY, for example HANSA_NODE__PORT.")
    section, key = path
    merged.setdefault(section, {})
    _check_known({section: {key: value}}, source)
    merged[section][key] = value


def _check_known(raw: Mapping[str, Any], source: str) -> None:
    sections = get_type_hints(Settings)
    for section, values in raw.items():
        if section not in sections:
            raise _unknown(source, section, list(sections))
        if section == "participants":
            rows = values if isinstance(values, list) else []
            struct: Any = ParticipantSettings
        else:
            rows, struct = [values], sections[section]
        known = list(struct.__struct_fields__)
        for row in rows:
            for key in row if isinstance(row, Mapping) else ():
                if key not in known:
                    raise _unknown(source, f"{section}.{key}", [f"{section}.{k}" for k in known])


def _unknown(source: str, key: str, known: list[str]) -> HansaError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else f" Known: {', '.join(known)}."
    return _invalid(source, f"`{key}` is not a setting.{hint}", key)


def _invalid(source: str, reason: str, field: str = "") -> HansaError:
    return HansaError(
        Code.settings_invalid,
        f"{source}: {reason}",
        "See docs/reference/settings.md.",
        field=field or source,
    )


def reference() -> str:
    """Render the reference page of all settings as Markdown."""
    lines = ["# Settings", "", "Generated by `make docs` from `hansa.kernel.settings`.", ""]
    lines += ["Precedence: flag, `HANSA_SECTION__KEY`, `hansa.toml`, default.", ""]
    for section in Settings.__struct_fields__:
        struct: Any = get_type_hints(Settings)[section]
        struct = ParticipantSettings if section == "participants" else struct
        title = f"[[{section}]]" if section == "participants" else f"[{section}]"
        lines += [f"## `{title}`", "", (struct.__doc__ or "").strip(), ""]
        lines += ["| key | type | default | what |", "|---|---|---|---|"]
        hints = get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            kind, meta = get_args(hints[field.name])[:2]
            default = "(required)" if field.required else f"`{_default(field)!r}`"
            name = getattr(kind, "__name__", str(kind))
            lines.append(f"| `{field.name}` | {name} | {default} | {meta.description} |")
        lines.append("")
    return "\n".join(lines)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    factory: Any = field.default_factory
    return factory()
