"""Addresses that may be told apart but not read: `jane@example.org` as `j•••@e•••.org #k7q2`."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import unquote

# As pages carry them: plain, with what HTML escapes (`o&#x27;neil@…`), or as in a query (`jane%40example.org`). What
# begins a path or a query (`/ ? = &`) is no part of it. A match begins at no letter inside a run, and has few escapes:
# a megabyte without an address costs one look.
_PLAIN = r"[A-Za-z0-9.!#$'*+^_`{|}~\u0080-\U0010ffff-]"
_ESCAPED = r"(?:&(?:amp|quot|#39|#x27);|%(?!40|3[CEce])[0-9A-Fa-f]{2})"
_LOCAL = rf"(?:(?<!{_PLAIN}){_PLAIN}++(?:{_ESCAPED}{_PLAIN}*+){{0,8}}+|(?:{_ESCAPED}{_PLAIN}*+){{1,8}}+)"
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9\u0080-\U0010ffff-]*[A-Za-z0-9\u0080-\U0010ffff])?"
_ADDRESS = re.compile(rf"({_LOCAL})(?:@|%40|&#64;|&commat;)({_LABEL}(?:\.{_LABEL})+)")
DOTS = "•••"


def masked(address: str, mark: str) -> str:
    """First letters and the last part of the domain; `mark`, the same for the same address only, tells people apart."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}{DOTS}@{domain[:1]}{DOTS}.{domain.rpartition('.')[2]} #{mark}"


def addresses_in(text: str) -> set[str]:
    """Every address that stands in a text, lower case."""
    return {_plain(found) for found in _ADDRESS.finditer(text)}


def mask_text(text: str, *, keep: set[str], mark: Callable[[str], str]) -> str:
    """The text with every address masked but those to keep, which are lower case; `mark` makes an address's mark."""

    def instead(found: re.Match[str]) -> str:
        address = _plain(found)
        return found[0] if address in keep else masked(address, mark(address))

    return _ADDRESS.sub(instead, text)


def _plain(found: re.Match[str]) -> str:
    local = unescape(found[1])
    return f"{unquote(local) if '%40' in found[0] else local}@{found[2]}".lower()
