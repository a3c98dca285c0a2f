"""SPF: may an address send for a domain? (RFC 7208). Evaluated for our own addresses, with the limits counted.

DNS comes in as two functions, so that every answer can be given: found, surely not there, or could not be looked up.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

MOST_LOOKUPS = 10  # section 4.6.4
MOST_VOID = 2
MOST_MX = 10
LONG_RECORD = 450

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unknown(Exception):
    """A look-up failed: nothing is proven. The message says which."""


class Broken(Exception):
    """The record itself is wrong (`permerror`). The message says how, for people."""


@dataclass(frozen=True, slots=True)
class Dns:
    """Where answers come from. Each returns records, an empty list when there surely are none, or raises Unknown.

    `txt(name)`; `addresses(host)`: IPv4 and IPv6; `mx(domain)`: host names.
    """

    txt: Callable[[str], Sequence[str]]
    addresses: Callable[[str], Sequence[str]]
    mx: Callable[[str], Sequence[str]]


@dataclass(slots=True)
class Result:
    """`verdict`: pass, fail, softfail, neutral, none, permerror, temperror. `tree` shows each term with its depth."""

    verdict: str
    detail: str = ""
    record: str = ""
    lookups: int = 0
    warnings: list[str] = field(default_factory=list)
    tree: list[tuple[int, str]] = field(default_factory=list)


_QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_TERM = re.compile(
    r"(?P<qualifier>[+\-~?]?)(?P<name>all|include|a|mx|ptr|ip4|ip6|exists)(?P<value>[:/].*)?$", re.IGNORECASE
)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9_.-]*)=(?P<value>.*)$", re.IGNORECASE)


def evaluate(*, ip: str, domain: str, dns: Dns) -> Result:
    """The SPF result for mail from `ip` with an envelope sender at `domain`. Never raises."""
    result = Result("none")
    checker = _Checker(ip=ipaddress.ip_address(ip), dns=dns, result=result)
    try:
        result.verdict = checker.check(domain, depth=0)
    except Unknown as error:
        result.verdict, result.detail = "temperror", str(error)
    except Broken as error:
        result.verdict, result.detail = "permerror", str(error)
    result.lookups = checker.lookups
    return result


def record_of(domain: str, dns: Dns) -> str | None:
    """The one SPF record of a domain, or None. Raises Broken when there are several, Unknown when nobody knows."""
    records = [text for text in dns.txt(domain) if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
    if len(records) > 1:
        raise Broken(
            f"{domain} has {len(records)} SPF records; receivers then ignore all of them. Merge them into one that "
            "starts with v=spf1 once."
        )
    return records[0] if records else None


def _parsed(record: str, domain: str) -> tuple[list[re.Match[str]], str | None]:
    """The mechanisms in order, and the redirect if there is one. The whole record is read before any of it counts."""
    mechanisms, redirect = [], None
    for term in record.split()[1:]:
        if modifier := _MODIFIER.match(term):
            redirect = modifier["value"] if modifier["name"].lower() == "redirect" else redirect
        elif found := _TERM.match(term):
            mechanisms.append(found)
        else:
            raise Broken(f"The SPF record of {domain} has {term!r}, which is not an SPF term.")
    return mechanisms, redirect


@dataclass(slots=True)
class _Checker:
    ip: Ip
    dns: Dns
    result: Result
    lookups: int = 0
    void: int = 0

    def check(self, domain: str, depth: int) -> str:
        record = record_of(domain, self.dns)
        if record is None:
            return "none"
        self._note(domain, record, depth)
        mechanisms, redirect = _parsed(record, domain)
        for found in mechanisms:
            if self._matches(found["name"].lower(), found["value"] or "", domain, depth):
                return _QUALIFIERS[found["qualifier"] or "+"]
        return self._redirect(redirect, domain, depth) if redirect else "neutral"

    def _note(self, domain: str, record: str, depth: int) -> None:
        self.result.tree.append((depth, f"{domain}: {record}"))
        if depth == 0:
            self.result.record = record
        if len(record) > LONG_RECORD:
            self._warn(
                f"The SPF record of {domain} is {len(record)} characters long; above 450 some servers cut it off."
            )
        if re.search(r"(^|\s)\+?all(\s|$)", record, re.IGNORECASE):
            self._warn(f"The SPF record of {domain} ends in +all: everybody on earth may send in its name.")
        if re.search(r"(^|\s)[+\-~?]?ptr([:\s]|$)", record, re.IGNORECASE):
            self._warn(f"The SPF record of {domain} uses ptr, which receivers are told not to rely on.")

    def _warn(self, sentence: str) -> None:
        if sentence not in self.result.warnings:
            self.result.warnings.append(sentence)

    def _matches(self, name: str, value: str, domain: str, depth: int) -> bool:
        if name == "all":
            return True
        if name in {"ip4", "ip6"}:
            return self._in_network(value[1:], name)
        self._count_lookup(domain)
        target, four, six = self._target(value, domain)
        if name == "include":
            return self._included(target, depth)
        if name == "a":
            return self._among(self._hosts(target), four, six)
        if name == "mx":
            return self._mx(target, four, six)
        if name == "exists":
            return bool(self._hosts(target))
        return False  # ptr: nothing we send from may rest on it

    def _in_network(self, text: str, name: str) -> bool:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise Broken(f"{name}:{text} is not an address or a network.") from None
        if network.version != (4 if name == "ip4" else 6):
            raise Broken(f"{name}:{text} is of the other address family.")
        return self.ip in network

    def _target(self, value: str, domain: str) -> tuple[str, int, int]:
        """`:host/24//64` → host and prefix lengths; without a host, the domain itself."""
        found = re.fullmatch(r"(?::(?P<host>[^/]*))?(?:/(?P<four>\d+))?(?://(?P<six>\d+))?", value)
        if not found or found["host"] == "":
            raise Broken(f"The SPF record of {domain} has {value!r} where a host belongs.")
        four, six = int(found["four"] or 32), int(found["six"] or 128)
        if four > 32 or six > 128:
            raise Broken(f"The SPF record of {domain} has an impossible network length in {value!r}.")
        return self._expand(found["host"] or domain, domain), four, six

    def _expand(self, text: str, domain: str) -> str:
        """The macros that can be known before a message is sent (section 7): %{i} %{d} %{s} %{o} %{h} %{v} …"""
        if "%" not in text:
            return text
        return re.sub(
            r"%(?:\{([a-zA-Z])(\d*)(r?)([.\-+,/_=]*)\}|([%_-]))", lambda found: self._macro(found, domain), text
        )

    def _macro(self, found: re.Match[str], domain: str) -> str:
        if found[5]:
            return {"%": "%", "_": " ", "-": "%20"}[found[5]]
        values = {
            "i": ".".join(self.ip.exploded.replace(":", "")) if self.ip.version == 6 else str(self.ip),
            "d": domain,
            "o": domain,
            "h": domain,
            "s": f"postmaster@{domain}",
            "l": "postmaster",
            "v": "in-addr" if self.ip.version == 4 else "ip6",
        }
        value = values.get(found[1].lower())
        if value is None:
            raise Broken(f"The SPF record of {domain} has the macro {found[0]}, which can't be used here.")
        parts = re.split(f"[{re.escape(found[4] or '.')}]", value)
        parts = parts[::-1] if found[3] else parts
        return ".".join(parts[-int(found[2]) :] if found[2] else parts)

    def _included(self, target: str, depth: int) -> bool:
        verdict = self.check(target, depth + 1)
        if verdict == "none":
            raise Broken(f"include:{target} leads nowhere: {target} has no SPF record.")
        return verdict == "pass"

    def _redirect(self, target: str, domain: str, depth: int) -> str:
        self._count_lookup(domain)
        verdict = self.check(self._expand(target, domain), depth + 1)
        if verdict == "none":
            raise Broken(f"redirect={target} leads nowhere: {target} has no SPF record.")
        return verdict

    def _mx(self, target: str, four: int, six: int) -> bool:
        hosts = self.dns.mx(target)
        if not hosts:
            self._count_void(target)
        if len(hosts) > MOST_MX:
            raise Broken(f"mx:{target} names {len(hosts)} hosts; more than {MOST_MX} are not looked at.")
        return any(self._among(self.dns.addresses(host), four, six) for host in hosts)

    def _hosts(self, target: str) -> Sequence[str]:
        addresses = self.dns.addresses(target)
        if not addresses:
            self._count_void(target)
        return addresses

    def _among(self, addresses: Sequence[str], four: int, six: int) -> bool:
        return any(self.ip in network for network in _networks(addresses, four, six))

    def _count_lookup(self, domain: str) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise Broken(
                f"The SPF record needs more than {MOST_LOOKUPS} DNS look-ups (the eleventh is in the record of "
                f"{domain}); receivers stop there and count it as an error. Take out includes nobody sends through."
            )

    def _count_void(self, target: str) -> None:
        self.void += 1
        if self.void > MOST_VOID:
            raise Broken(
                f"More than {MOST_VOID} names in the SPF record lead nowhere (the last one: {target}); receivers count "
                "that as an error."
            )


def _networks(addresses: Sequence[str], four: int, six: int) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for address in addresses:
        length = four if ipaddress.ip_address(address).version == 4 else six
        yield ipaddress.ip_network(f"{address}/{length}", strict=False)
