"""Blocklists in DNS (RFC 5782): what to ask a list, and what its answer means. Three results always.

An answer is a listing only when the list's own table says so. What is outside 127.0.0.0/8, in 127.255.255.0/24, or in
no table proves nothing: somebody rewrites DNS, the list refuses us, or it means something we do not know.
"""

import ipaddress
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = frozenset({"ip4", "ip6", "name"})
WEIGHTS = ("must", "should", "tell")
MOST_KEY = 15  # `list_` and the key name a finding

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_ERRORS = ipaddress.ip_network("127.255.255.0/24")
# What a list is asked about itself (RFC 5782, sections 2.3, 2.4 and 5): one that is listed, one that is not.
_TESTS = {"ip4": ("127.0.0.2", "127.0.0.1"), "ip6": ("::ffff:7f00:2", "::ffff:7f00:1"), "name": ("test", "invalid")}
# Networks nobody else can see us by: lists know nothing of them, and 127.0.0.2 would always be "listed".
_OURS = [
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
]  # fmt: skip


class BlocklistError(ValueError):
    """A row of the table is wrong; says which and why."""


@dataclass(frozen=True, slots=True)
class Blocklist:
    """One list. `weight`: must, should or tell."""

    key: str
    zone: str
    name: str
    kinds: frozenset[str]
    weight: str
    more: str
    codes: Mapping[str, str] = field(default_factory=dict)
    bits: Mapping[int, str] = field(default_factory=dict)
    mild: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    tests: Mapping[str, tuple[str, str]] = field(default_factory=lambda: dict(_TESTS))
    with_key: str = ""

    def question(self, subject: str, zone: str = "") -> str:
        """The name to look up: octets or nibbles reversed, a domain as it is."""
        return f"{_reversed(subject)}.{zone or self.zone}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`result`: pass (not listed), fail (listed) or unknown; `words` say why, `weight` how much it matters."""

    result: str
    words: str = ""
    weight: str = "must"


def kind_of(subject: str) -> str:
    """ip4, ip6 or name."""
    try:
        return f"ip{ipaddress.ip_address(subject).version}"
    except ValueError:
        return "name"


def is_worth_asking(subject: str) -> bool:
    """False for addresses of private networks: no list knows anything of them."""
    if kind_of(subject) == "name":
        return "." in subject
    address = ipaddress.ip_address(subject)
    return not any(address in network for network in _OURS if network.version == address.version)


def read(answers: Sequence[str], of: Blocklist) -> Verdict:
    """What a list's A records mean; none at all is "not listed"."""
    if not answers:
        return Verdict("pass", weight=of.weight)
    for answer in answers:
        if (why := _no_listing(answer, of)) is not None:
            return Verdict("unknown", why, of.weight)
    listed = {answer: words for answer in answers for words in _listings(answer, of)}
    if not listed:
        return Verdict("unknown", f"{of.name} answered {', '.join(answers)}, which we cannot read", of.weight)
    mild = set(listed) <= of.mild
    said = "; ".join(dict.fromkeys(words for answer in answers for words in _listings(answer, of)))
    return Verdict("fail", said, "should" if mild and of.weight == "must" else of.weight)


def unusable(listed: Verdict | None, clean: Verdict | None) -> str:
    """Why a list cannot be trusted, from its test entries; empty when it can. None: nobody knows."""
    if listed is None or clean is None:
        return "its test entries could not be looked up"
    if listed.result == "unknown":
        return listed.words
    if listed.result == "pass":
        return "it does not list its own test entry: it is closed, or our resolver does not let its answers through"
    if clean.result != "pass":
        return "it lists what never is listed: it answers “listed” for everything"
    return ""


def load(text: str) -> dict[str, Blocklist]:
    """The lists of blocklists.toml by key, in its order. Raises BlocklistError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BlocklistError(f"it is no TOML: {error}") from None
    dead = frozenset(table.get("dead", []))
    everywhere = table.get("refused", {})
    lists = [_row(row, everywhere) for row in table.get("list", [])]
    for row in lists:
        if row.zone in dead:
            raise BlocklistError(f"{row.key}: {row.zone} is among the dead lists")
    if len({row.key for row in lists}) != len(lists):
        raise BlocklistError("two lists have the same key")
    return {row.key: row for row in lists}


def _row(row: Mapping[str, Any], everywhere: Mapping[str, str]) -> Blocklist:
    key = row.get("key", "?")
    missing = {"key", "zone", "name", "kinds", "weight", "more"} - set(row)
    if missing:
        raise BlocklistError(f"{key}: {', '.join(sorted(missing))} is missing")
    if not set(row["kinds"]) <= KINDS or row["weight"] not in WEIGHTS:
        raise BlocklistError(f"{key}: kinds are {', '.join(sorted(KINDS))}; weights are {', '.join(WEIGHTS)}")
    if not row.get("codes") and not row.get("bits"):
        raise BlocklistError(f"{key}: codes or bits must say which answers are listings")
    if len(key) > MOST_KEY:
        raise BlocklistError(f"{key}: a key has {MOST_KEY} characters at most")
    tests = {kind: (row.get("listed", listed), row.get("clean", clean)) for kind, (listed, clean) in _TESTS.items()}
    return Blocklist(
        key=key,
        zone=row["zone"],
        name=row["name"],
        kinds=frozenset(row["kinds"]),
        weight=row["weight"],
        more=row["more"],
        codes=row.get("codes", {}),
        bits={int(bit): words for bit, words in row.get("bits", {}).items()},
        mild=frozenset(row.get("mild", [])),
        refused={**everywhere, **row.get("refused", {})},
        tests=tests,
        with_key=row.get("with_key", ""),
    )


def _no_listing(answer: str, of: Blocklist) -> str | None:
    """Why an answer proves nothing, or None when it may be a listing."""
    try:
        address = ipaddress.IPv4Address(answer)
    except ValueError:
        return f"{of.name} answered {answer}, which is no answer of a blocklist"
    if address not in _LOOPBACK:
        return f"{answer} is no answer of a blocklist: somebody on the way rewrites DNS"
    if answer in of.refused:
        return f"{of.name} refuses: {of.refused[answer]}"
    if address in _ERRORS:
        return f"{of.name} answered {answer}, a code for errors"
    return None


def _listings(answer: str, of: Blocklist) -> list[str]:
    if answer in of.codes:
        return [of.codes[answer]]
    *rest, last = answer.split(".")
    if rest != ["127", "0", "0"]:
        return []
    return [words for bit, words in of.bits.items() if int(last) & bit]


def _reversed(subject: str) -> str:
    kind = kind_of(subject)
    if kind == "name":
        return subject.rstrip(".").lower()
    if kind == "ip6":
        nibbles = ipaddress.IPv6Address(subject).exploded.replace(":", "")
        return ".".join(reversed(nibbles))
    return ".".join(reversed(subject.split(".")))
