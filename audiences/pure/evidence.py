"""The personal part of a consent event, cleaned for keeping: who asked, from where, with what."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

_USER_AGENT_MAX = 400
_TEXT_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """`ip` is a valid address or None; the texts hold no NUL and are cut to what the columns take."""

    ip: str | None
    user_agent: str
    text: str

    @property
    def is_empty(self) -> bool:
        return not (self.ip or self.user_agent or self.text)


def evidence_from(given: Mapping[str, object] | None) -> Evidence:
    """From a mapping with any of `ip`, `user_agent`, `text`. Never raises: these come from strangers' requests."""
    found = given or {}
    user_agent, text = (_clean(found.get(key)) for key in ("user_agent", "text"))
    return Evidence(_ip(found.get("ip")), user_agent[:_USER_AGENT_MAX], text[:_TEXT_MAX])


def _ip(given: object) -> str | None:
    try:
        # A zone (fe80::1%eth0) says nothing to anybody else and does not fit the column.
        return str(ipaddress.ip_address(str(given or "").partition("%")[0]))
    except ValueError:
        return None


def _clean(given: object) -> str:
    return str(given or "").replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
