"""The ways in which data can be had, in words, and the form of where a push goes.

Secrets come in once, go to the node, and are never written into a page again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec

from hansa.kernel import Code, HansaError
from hansa.web.ports_trade import Json

_HTTP = "https://w3id.org/idsa/v4.1/HTTP"
_MQTT = "MQTT"
_SFTP = "SFTP"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an address: its name in the address, its title, an example.

    `lines`: a text of several lines.
    """

    name: str
    title: str
    example: str = ""
    secret: bool = False
    required: bool = False
    lines: bool = False


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One format: its title and sentence, and where it goes if it is a push."""

    format: str
    title: str
    sentence: str
    type: str = ""
    inbox: bool = False
    fields: tuple[Field, ...] = ()


_PASSWORD = Field(name="password", title="Password", secret=True)
_HEADER = Field(
    name="authorization",
    title="Token that the receiver asks for",
    example="",
    secret=True,
)
_USER = Field(name="username", title="User name", example="traffic")
_WAYS = (
    Way(
        format="HttpData-PULL",
        title="We fetch it",
        sentence="We ask whenever we want, as long as the contract runs. Nothing has to be open "
        "on our side.",
    ),
    Way(
        format="HttpData-PUSH",
        title="Sent once, over HTTP",
        sentence="The provider sends all of it to an address and says when it is done.",
        type=_HTTP,
        inbox=True,
        fields=(
            Field(
                name="endpoint", title="Address", example="https://example.org/in", required=True
            ),
            _HEADER,
        ),
    ),
    Way(
        format="NgsiLd-PUSH",
        title="Each change is sent, over HTTP",
        sentence="The provider sends every change as an NGSI-LD notification as it happens.",
        type=_HTTP,
        inbox=True,
        fields=(
            Field(
                name="endpoint", title="Address", example="https://example.org/in", required=True
            ),
            _HEADER,
        ),
    ),
    Way(
        format="Mqtt-PUSH",
        title="Each change is sent, to an MQTT broker",
        sentence="The provider publishes every change to a topic of a broker that we name.",
        type=_MQTT,
        fields=(
            Field(
                name="endpoint", title="Broker", example="mqtts://example.org:8883", required=True
            ),
            Field(name="topic", title="Topic", example="city/air", required=True),
            _USER,
            _PASSWORD,
        ),
    ),
    Way(
        format="Sftp-PUSH",
        title="Sent once, as a file to an SFTP server",
        sentence="The provider writes a file on a server that we name, and goes on where it "
        "stopped if the line breaks.",
        type=_SFTP,
        fields=(
            Field(name="endpoint", title="Server", example="sftp://example.org:22", required=True),
            Field(name="path", title="Folder or file", example="/in/air.ndjson", required=True),
            Field(name="username", title="User name", example="traffic", required=True),
            _PASSWORD,
            Field(
                name="privateKey",
                title="Private key, in place of a password",
                example="-----BEGIN OPENSSH PRIVATE KEY-----",
                secret=True,
                lines=True,
            ),
            Field(
                name="hostKey",
                title="The server's key",
                example="ssh-ed25519 AAAA...",
                required=True,
            ),
        ),
    ),
)
_BY_FORMAT = {way.format: way for way in _WAYS}


def way_of(name: str) -> Way:
    """Give the words for a format; one that these pages do not know is shown by its name."""
    known = _BY_FORMAT.get(name)
    if known is not None:
        return known
    return Way(format=name, title=name, sentence="A way that another data plane offers.")


def address(name: str, form: Mapping[str, str]) -> Json | None:
    """Read where a push goes; None for a pull, and for a push to our own node.

    Fields are named `<format>.<field>`; HansaError names the one at fault.
    """
    way = way_of(name)
    if not way.fields or (way.inbox and form.get(f"{name}.to", "inbox") == "inbox"):
        return None
    given = {field.name: form.get(f"{name}.{field.name}", "").strip() for field in way.fields}
    for field in way.fields:
        if field.required and not given[field.name]:
            raise HansaError(
                Code.invalid_field,
                f"{field.title} is missing.",
                f"Write it like {field.example}." if field.example else "Fill in the field.",
                field=f"{name}.{field.name}",
            )
    properties = {key: value for key, value in given.items() if value and key != "endpoint"}
    return {"endpoint_type": way.type, "endpoint": given["endpoint"], "properties": properties}


def command(way: Way, agreement: str) -> str:
    """Give the command that asks for the same, with examples; a secret is read, never typed."""
    words = ["hansa", "transfer", "start", agreement, "--format", way.format]
    secret = next((field for field in way.fields if field.secret), None)
    for field in way.fields if not way.inbox else ():
        if field.name == "endpoint":
            words += ["--to", field.example]
        elif field is secret:
            words += ["--property", f"{field.name}=@-"]
        elif not field.secret:
            words += ["--property", f"{field.name}={field.example}"]
    return shlex.join(words)


def without_secrets(form: Mapping[str, str]) -> dict[str, str]:
    """Give the form back as it may be shown again: what was secret has to be typed anew."""
    secret = {f"{way.format}.{field.name}" for way in _WAYS for field in way.fields if field.secret}
    return {name: value for name, value in form.items() if name not in secret}
