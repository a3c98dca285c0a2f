"""Reading settings from the environment: a wrong one stops the start with a sentence that says what to set."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(\d{1,5})")


def wrong(name: str, problem: str, *, example: str) -> ImproperlyConfigured:
    """The one sentence shape for all wrong settings. The value itself is never shown: it may hold a password."""
    return ImproperlyConfigured(f"{name} {problem}. Set it like this: {name}={example}")


def text(name: str, default: str) -> str:
    return str(env.str(name, default=default)).strip()


def switch(name: str, *, default: bool) -> bool:
    """A yes or no. Anything else is an error: `DEBUG=flase` must not mean no by accident."""
    value = text(name, "yes" if default else "no").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise wrong(name, "must be yes or no", example="no")


def whole_number(name: str, default: int, *, lowest: int, highest: int) -> int:
    value = text(name, str(default))
    if not re.fullmatch(r"\d+", value) or not lowest <= int(value) <= highest:
        raise wrong(name, f"must be a whole number from {lowest} to {highest}", example=str(default))
    return int(value)


def factor(name: str, default: float) -> float:
    """A number above zero."""
    try:
        value = float(text(name, str(default)))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise wrong(name, "must be a number above 0", example=str(default))
    return value


def names(name: str, default: list[str]) -> list[str]:
    """Values with commas between them."""
    value = text(name, ",".join(default))
    return [part.strip() for part in value.split(",") if part.strip()]


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def web_address(name: str, default: str) -> str:
    """An absolute http(s) address without path, query or trailing slash."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise wrong(name, "must be a full web address without a path", example="https://mail.example.com")
    return value


def check_webhook(url: str, secret: str, *, private: bool) -> None:
    """Is there a web address, over https unless it may be inside, and a secret to sign with?"""
    parts = urlsplit(url)
    if parts.scheme not in ({"http", "https"} if private else {"https"}) or not parts.hostname or parts.fragment:
        raise wrong("ALERT_WEBHOOK_URL", "must be a web address with https", example="https://hooks.example.com/mail")
    try:
        long_enough = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= 24
    except ValueError:
        long_enough = False
    if not secret.startswith("whsec_") or not long_enough:
        problem = "must be whsec_ and at least 24 random bytes in base64"
        raise wrong("ALERT_WEBHOOK_SECRET", problem, example='"whsec_$(openssl rand -base64 32)"')


def host_and_port(name: str, value: str, *, example: str) -> tuple[str, int]:
    """`127.0.0.1:2525` or `[::1]:2525`."""
    found = _HOST_PORT.fullmatch(value)
    if not found or not 0 < int(found[2]) < 65536:
        raise wrong(name, "must be a host and a port with a colon between them", example=example)
    return found[1].strip("[]"), int(found[2])


def hosts_and_ports(name: str, *, example: str) -> list[tuple[str, int]]:
    return [host_and_port(name, value, example=example) for value in names(name, [])]


def parsed(name: str, parse: Callable[[], dict[str, Any]], *, example: str) -> dict[str, Any]:
    """Whatever a library's parser makes of the variable; its complaint becomes ours."""
    try:
        return parse()
    except ImproperlyConfigured:
        raise
    except Exception as error:
        raise wrong(name, "can't be read as an address of a server", example=example) from error
