"""The lab's settings: one JSON or TOML object, checked at start."""

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class BadConfiguration(ValueError):
    """A setting is unknown or of the wrong kind; the message names it."""


@dataclass(frozen=True)
class Configuration:
    """Ports of 0 are taken free ones; see `lab/README.md` for each key."""

    ledger: str
    smtp_port: int = 2525
    dns_host: str = "127.0.0.1"
    dns_port: int = 5353
    control_host: str = "127.0.0.1"
    control_port: int = 8025
    network: str = "127.9"
    hosters: int = 40
    time_factor: float = 1.0
    seed: int = 1
    only: tuple[str, ...] = ()
    personas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Mapping[str, Any], ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)
    relay_users: Mapping[str, str] = field(default_factory=dict)
    mailing_headers: tuple[str, ...] = ("X-Letterpace-Mailing", "Feedback-ID")
    keep_per_address: int = 3
    keep_bytes: int = 64_000_000
    keep_folder: str = ""
    reports_host: str = ""
    reports_port: int = 2526
    feedback_address: str = ""
    ready_file: str = ""


FIELDS = {f.name: f for f in dataclasses.fields(Configuration)}


def configured(values: Mapping[str, Any]) -> Configuration:
    """A checked configuration. Raises BadConfiguration."""
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise BadConfiguration(f"The lab has no setting {unknown[0]!r}; it has {', '.join(FIELDS)}.")
    if "ledger" not in values:
        raise BadConfiguration("The lab needs 'ledger': the file to write what the receivers saw.")
    settled = {name: _checked(name, value) for name, value in values.items()}
    found = Configuration(**settled)
    if found.time_factor <= 0:
        raise BadConfiguration("time_factor must be above 0.")
    return found


def read_configuration(path: Path) -> Configuration:
    """From a .toml or .json file. Raises BadConfiguration."""
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"{path} cannot be read: {error}") from error
    return configured(values)


def _checked(name: str, value: Any) -> Any:
    default = FIELDS[name].default
    if name == "ledger":
        default = ""
    if default is dataclasses.MISSING:
        if not isinstance(value, Mapping):
            raise BadConfiguration(f"{name} must be an object, not {value!r}.")
        return value
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple):
            raise BadConfiguration(f"{name} must be a list, not {value!r}.")
        return tuple(value)
    fits = isinstance(value, int | float) if isinstance(default, float) else isinstance(value, type(default))
    if not fits or isinstance(value, bool):
        raise BadConfiguration(f"{name} must be a {type(default).__name__}, not {value!r}.")
    return value
