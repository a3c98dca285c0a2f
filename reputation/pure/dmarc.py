"""DMARC records: finding the one that governs a From domain (RFC 9989, tree walk) and reading it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MOST_QUERIES = 8  # RFC 9989, section 4.10
POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Policy:
    """A valid record and where it was found. `policy` is the one for the From domain (`sp` below the record's own)."""

    name: str
    record: str
    policy: str
    tags: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def relaxed_dkim(self) -> bool:
        return self.tags.get("adkim", "r").lower() != "s"

    @property
    def relaxed_spf(self) -> bool:
        return self.tags.get("aspf", "r").lower() != "s"


class Wrong(Exception):
    """There is a record, but receivers can't use it. The message says why, for people."""


def find(domain: str, txt: Callable[[str], Sequence[str]]) -> Policy | None:
    """The policy that governs a From domain, or None where there is none. At most 8 look-ups.

    Its own record, else that of its organisational domain, else that of the public suffix above (RFC 9989, 4.10.1).
    `txt(name)` returns TXT records and may raise what it likes when nobody knows. Raises Wrong for an unusable record.
    """
    domain = domain.lower().rstrip(".")
    if own := _records(domain, txt):
        if len(own) > 1:
            raise Wrong(f"_dmarc.{domain} has {len(own)} DMARC records; receivers then ignore all of them. Keep one.")
        return read(own[0], name=domain, domain=domain)
    found = _climb(walk(domain)[1:], txt)
    if not found:
        return None
    records = {name: record for name, record, _ in found}
    organisation = _organisation(domain, found)
    name = organisation if organisation in records else found[-1][0]  # the public suffix's own
    return read(records[name], name=name, domain=domain)


def organisation(domain: str, txt: Callable[[str], Sequence[str]]) -> str:
    """The organisational domain, by walking up the tree (RFC 9989, section 4.10.2); `txt` as for `find`."""
    domain = domain.lower().rstrip(".")
    return _organisation(domain, _climb(walk(domain), txt))


def _climb(names: Sequence[str], txt: Callable[[str], Sequence[str]]) -> list[tuple[str, str, str]]:
    """The records at names, from the lowest up: name, record, psd tag. A psd=y or psd=n ends it; several at a name
    count as none.
    """
    found = []
    for name in names:
        records = _records(name, txt)
        if len(records) != 1:
            continue
        psd = _tags(records[0]).get("psd", "").lower()
        found.append((name, records[0], psd))
        if psd in {"y", "n"}:
            break
    return found


def _records(name: str, txt: Callable[[str], Sequence[str]]) -> list[str]:
    return [text for text in txt(f"_dmarc.{name}") if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text)]


def _organisation(domain: str, found: Sequence[tuple[str, str, str]]) -> str:
    if not found:
        return domain
    name, _, psd = found[-1]
    if psd == "y" and name != domain:
        below = len(name.split(".")) + 1
        return ".".join(domain.split(".")[-below:])
    return name


def walk(domain: str) -> list[str]:
    """The names to ask, from the domain up: itself, then at most seven, the last with one label (RFC 9989, 4.10)."""
    labels = domain.lower().rstrip(".").split(".")
    above = labels[1:] if len(labels) <= MOST_QUERIES else labels[-(MOST_QUERIES - 1) :]
    return [".".join(labels), *(".".join(above[start:]) for start in range(len(above)))]


def read(record: str, *, name: str, domain: str) -> Policy:
    """Read a record found at `_dmarc.<name>`. Raises Wrong."""
    tags = _tags(record)
    own = tags.get("p", "").lower()
    if own not in POLICIES and tags.get("rua"):
        own = "none"  # RFC 9989, section 4.7: with somewhere to report to, an unreadable policy is "none"
    if own not in POLICIES:
        raise Wrong(f"The DMARC record of {name} must say p=none, p=quarantine or p=reject.")
    below = tags.get("sp", own).lower()
    policy = own if name == domain.lower() else below
    if policy not in POLICIES:
        raise Wrong(f"The DMARC record of {name} has sp={below}; it must be none, quarantine or reject.")
    return Policy(name=name, record=record, policy=policy, tags=tags, warnings=tuple(_warnings(tags, name)))


def aligned(one: str, other: str, *, relaxed: bool, organisation: Callable[[str], str]) -> bool:
    """Do two domains align? Relaxed: the same organisational domain; strict: the same name."""
    one, other = one.lower(), other.lower()
    return one == other or (relaxed and organisation(one) == organisation(other))


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _warnings(tags: Mapping[str, str], name: str) -> list[str]:
    warnings = []
    if tags.get("p", "").lower() not in POLICIES:
        warnings.append(f"The DMARC record of {name} has no p= that can be read; receivers take it for p=none.")
    if tags.get("t", "n").lower() == "y":
        warnings.append(f"The DMARC record of {name} says t=y (testing): receivers do less than its policy says.")
    if tags.get("pct", "100") != "100":
        warnings.append(f"The DMARC record of {name} uses pct=, which receivers no longer read.")
    return warnings
