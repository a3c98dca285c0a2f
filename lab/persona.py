"""A receiver's character as data: what it offers, what it tolerates, what it answers."""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PERSONAS = Path(__file__).with_name("personas.toml")

RATES = ("rate_ip_minute", "rate_ip_hour", "rate_dkim_minute", "rate_recipient_domain_hour")
DELAYS = ("batch_pause", "burst_seconds", "greylist_delay", "tarpit_seconds", "reply_delay", "dsn_delay", "arf_delay")
SHARES = ("greylist_share", "unknown_share", "full_share", "inactive_share", "defer_share", "tarpit_share",
          "drop_odds", "force_share", "dsn_share", "arf_share")  # fmt: skip
CHOICES = {
    "tls": ("none", "offered", "required", "refused", "stalled", "reset"),
    "per_connection_mode": ("421", "close"),
    "close_mode": ("421", "close", "rst", "silence"),
    "drop_phase": ("", "connect", "ehlo", "mail", "rcpt", "data", "body", "dot", "reply"),
    "force_phase": ("", "connect", "mail", "rcpt", "dot"),
    "dsn_style": ("postfix", "exim", "exchange", "m365", "outlook", "gmail", "qmail", "yahoo", "sendmail"),
    "arf_style": ("", "yahoo", "jmrp", "ufbl"),
}
REPLY_LINE = re.compile(r"\d{3}([ -]|$)")


class BadPersona(ValueError):
    """A persona's value is not one the lab understands; the message names it."""


@dataclass(frozen=True)
class Persona:
    """Rates are messages per rolling window, delays are seconds, shares are 0..1; a limit of 0 is no limit."""

    key: str
    title: str = ""
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    banner: str = "220 {host} ESMTP"
    capabilities: tuple[str, ...] = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
    size_limit: int = 35_000_000
    tls: str = "offered"
    auth: bool = False
    deliver_on: bool = False
    max_connections: int = 0
    messages_per_connection: int = 0
    per_connection_mode: str = "421"
    recipients_per_message: int = 100
    one_domain_per_transaction: bool = False
    rate_ip_minute: float = 0
    rate_ip_hour: float = 0
    rate_dkim_minute: float = 0
    rate_recipient_domain_hour: float = 0
    burst_messages: float = 0
    burst_seconds: float = 1
    batch_messages: float = 0
    batch_pause: float = 0
    greylist_share: float = 0
    greylist_delay: float = 300
    unknown: tuple[str, ...] = ()
    unknown_share: float = 0
    full_share: float = 0
    inactive_share: float = 0
    defer_share: float = 0
    tarpit_share: float = 0
    tarpit_seconds: float = 10
    reply_delay: float = 0
    drop_phase: str = ""
    drop_odds: float = 0
    close_mode: str = "421"
    force_phase: str = ""
    force_reply: str = ""
    force_share: float = 1
    auth_required: tuple[str, ...] = ()
    # A reputation by address and signing domain (reputation.py); with 0 strangers a day it has none.
    strangers_day: int = 0
    strangers_hour: int = 30
    reputation_growth: float = 2
    reputation_patience: int = 40
    dsn_share: float = 0
    dsn_delay: float = 60
    dsn_style: str = "postfix"
    arf_share: float = 0
    arf_delay: float = 120
    arf_style: str = ""
    replies: Mapping[str, str] = field(default_factory=dict)


FIELDS = {f.name: f for f in dataclasses.fields(Persona)}
KINDS: dict[Any, type | tuple[type, ...]] = {str: str, bool: bool, int: int, float: (int, float)}


def load_personas(path: Path = PERSONAS) -> dict[str, Persona]:
    """All personas of a TOML file; each has the file's `[default.replies]` beneath its own. Raises BadPersona."""
    tables = tomllib.loads(path.read_text("utf-8"))
    default = tables.pop("default")["replies"]
    return {key: changed(Persona(key=key, replies=default), table) for key, table in tables.items()}


def changed(persona: Persona, values: Mapping[str, Any]) -> Persona:
    """The persona with some values replaced; `replies` are merged, not replaced. Raises BadPersona."""
    new: dict[str, Any] = {name: _checked(name, value) for name, value in values.items()}
    if "replies" in new:
        new["replies"] = {**persona.replies, **new["replies"]}
    altered = dataclasses.replace(persona, **new)
    if altered.force_reply and altered.force_reply not in altered.replies:
        raise BadPersona(f"force_reply: {persona.key} has no reply named {altered.force_reply!r}.")
    return altered


def scaled(persona: Persona, time_factor: float) -> Persona:
    """The persona in a world `time_factor` times as fast: rates times the factor, delays divided by it."""
    faster: dict[str, Any] = {name: getattr(persona, name) * time_factor for name in RATES}
    shorter: dict[str, Any] = {name: getattr(persona, name) / time_factor for name in DELAYS}
    return dataclasses.replace(persona, **faster, **shorter)


def as_values(persona: Persona) -> dict[str, Any]:
    """All values as plain JSON."""
    return dataclasses.asdict(persona)


def _checked(name: str, value: Any) -> Any:
    if name not in FIELDS or name == "key":
        raise BadPersona(f"A persona has no value named {name!r}.")
    if name == "replies":
        return {key: _reply(key, text) for key, text in dict(value).items()}
    if FIELDS[name].type == tuple[str, ...]:
        return _strings(name, value)
    return _scalar(name, value)


def _strings(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise BadPersona(f"{name} must be a list of texts.")
    return tuple(value)


def _scalar(name: str, value: Any) -> Any:
    declared: Any = FIELDS[name].type
    if not isinstance(value, KINDS[declared]) or (isinstance(value, bool) and declared is not bool):
        raise BadPersona(f"{name} must be a {declared.__name__}, not {value!r}.")
    if name in CHOICES and value not in CHOICES[name]:
        raise BadPersona(f"{name} must be one of {', '.join(map(repr, CHOICES[name]))}, not {value!r}.")
    return _number(name, value) if declared in (int, float) else value


def _number(name: str, value: Any) -> Any:
    if name in SHARES and not 0 <= value <= 1:
        raise BadPersona(f"{name} must lie between 0 and 1, not {value!r}.")
    if value < 0:
        raise BadPersona(f"{name} must not be negative.")
    return value


def _reply(key: str, text: Any) -> str:
    lines = text.split("\n") if isinstance(text, str) else []
    continued = all(line[3:4] == "-" for line in lines[:-1])
    if not lines or not all(REPLY_LINE.match(line) for line in lines) or lines[-1][3:4] == "-" or not continued:
        raise BadPersona(f"The reply {key!r} is not a well-formed SMTP reply (RFC 5321 section 4.2): {text!r}.")
    return str(text)
