"""Questions to DNS. Every answer is a value: found, not there, or could not be looked up."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import dns.exception
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename
from django.conf import settings
from django.db import connections

TIMEOUT_SECONDS = 3.0  # for one try; there are two
MAX_ALIASES = 8
CACHE_SIZE = 5_000
# Well-known resolvers of the public. Blocklists refuse them, or answer them with "not listed" whatever is true.
PUBLIC_RESOLVERS = frozenset(
    """8.8.8.8 8.8.4.4 2001:4860:4860::8888 2001:4860:4860::8844 1.1.1.1 1.0.0.1 1.1.1.2 1.0.0.2 1.1.1.3 1.0.0.3
    2606:4700:4700::1111 2606:4700:4700::1001 9.9.9.9 9.9.9.10 9.9.9.11 149.112.112.112 2620:fe::fe 2620:fe::9
    208.67.222.222 208.67.220.220 2620:119:35::35 2620:119:53::53 4.2.2.1 4.2.2.2 64.6.64.6 64.6.65.6
    94.140.14.14 94.140.15.15 76.76.2.0 76.76.10.0 185.228.168.9 185.228.169.9""".split()
)


@dataclass(frozen=True, slots=True)
class Found:
    """Records in DNS's own notation: names in lower case without the last dot, TXT strings joined without a space."""

    records: tuple[str, ...]
    ttl: int
    name: str  # where they are, aliases followed


@dataclass(frozen=True, slots=True)
class NotFound:
    """The server says there is no such record. `exists`: the name is there, with records of other types."""

    exists: bool


@dataclass(frozen=True, slots=True)
class CouldNotLookUp:
    """Nobody knows: no answer in time, or a server that failed. Never proof of anything."""

    reason: str


Answer: TypeAlias = Found | NotFound | CouldNotLookUp


def lookup(name: str, record_type: str, *, fresh: bool = False) -> Answer:
    """Ask for the records of one type (TXT, MX, A, AAAA, PTR, CNAME, SOA, NS) at a name, following aliases.

    `fresh` asks the server even when an answer is remembered within its TTL. Takes at most about 6.5 seconds an alias.
    Raises RuntimeError inside a database transaction: the network must not be waited for there.
    """
    _refuse_inside_a_transaction()
    try:
        question = dns.name.from_text(name.rstrip(".") + ".")
    except dns.exception.DNSException:
        return NotFound(exists=False)  # no name that DNS can hold
    return _follow(question, record_type, by=_asking() if fresh else _remembering())


def addresses(host: str, *, fresh: bool = False) -> list[str] | CouldNotLookUp:
    """IPv4, then IPv6 addresses of a host; an empty list when it surely has none. An address stands for itself."""
    if (literal := _literal(host)) is not None:
        return [literal]
    answers = [lookup(host, "A", fresh=fresh), lookup(host, "AAAA", fresh=fresh)]
    found = [record for answer in answers if isinstance(answer, Found) for record in answer.records]
    if found:
        return found
    return next((answer for answer in answers if isinstance(answer, CouldNotLookUp)), [])


def reverse(ip: str, *, fresh: bool = False) -> Answer:
    """The PTR records of an address."""
    return lookup(dns.reversename.from_address(ip).to_text(), "PTR", fresh=fresh)


def ask_blocklist(name: str) -> Answer:
    """The A records of a blocklist's entry, by DNSBL_SERVERS (or the servers that are asked everything else), afresh.

    Raises RuntimeError inside a database transaction.
    """
    _refuse_inside_a_transaction()
    return _follow(dns.name.from_text(name.rstrip(".") + "."), "A", by=_asking_lists())


def public_resolver() -> str:
    """A server that serves the whole public, among those that blocklists are asked through; empty when none does."""
    addresses = [server if isinstance(server, str) else server.answer_nameserver() for server in _lists_servers()]
    return next((address for address in addresses if address in PUBLIC_RESOLVERS), "")


def forget() -> None:
    """Drop every remembered answer, and read DNS_SERVERS and DNSBL_SERVERS anew."""
    for made in (_remembering, _asking, _asking_lists):
        made.cache_clear()


def _follow(question: dns.name.Name, record_type: str, *, by: dns.resolver.Resolver) -> Answer:
    seen: set[dns.name.Name] = set()
    for _ in range(MAX_ALIASES):
        if question in seen:
            break
        seen.add(question)
        answer = _ask(question, record_type, by)
        if not isinstance(answer, dns.name.Name):
            return answer
        question = answer  # an alias whose target the server left for us to ask
    return CouldNotLookUp("its aliases (CNAME) lead in a circle")


def _ask(question: dns.name.Name, record_type: str, resolver: dns.resolver.Resolver) -> Answer | dns.name.Name:
    try:
        answer = resolver.resolve(question, record_type, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN:
        return NotFound(exists=False)
    except dns.resolver.LifetimeTimeout:
        return CouldNotLookUp("no name server answered in time")
    except dns.resolver.NoNameservers as error:
        return CouldNotLookUp(_why(error))
    except dns.exception.DNSException as error:
        return CouldNotLookUp(f"the answer could not be read ({type(error).__name__})")
    except OSError as error:
        return CouldNotLookUp(f"the name server could not be reached ({error.strerror or error})")
    if answer.rrset is None:
        return answer.canonical_name if answer.canonical_name != question else NotFound(exists=True)
    return Found(
        records=tuple(sorted(_text(record) for record in answer.rrset)),
        ttl=answer.rrset.ttl,
        name=_host(answer.canonical_name),
    )


def _why(error: dns.resolver.NoNameservers) -> str:
    causes = {str(entry[3]) for entry in error.kwargs.get("errors", [])}
    if any("chain" in cause.lower() for cause in causes):
        return "its aliases (CNAME) lead in a circle"
    said = ", ".join(sorted(causes)) or "no name server is left to ask"
    return f"the name server failed: {said}"[:200]


def _text(record: dns.rdata.Rdata) -> str:
    match record.rdtype:
        case dns.rdatatype.TXT:
            return b"".join(record.strings).decode("utf-8", "replace")  # type: ignore[attr-defined]
        case dns.rdatatype.MX:
            return f"{record.preference} {_host(record.exchange)}"  # type: ignore[attr-defined]
        case dns.rdatatype.CNAME | dns.rdatatype.PTR | dns.rdatatype.NS:
            return _host(record.target)  # type: ignore[attr-defined]
    return record.to_text()


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else "."


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


@cache
def _remembering() -> dns.resolver.Resolver:
    resolver = _made(settings.DNS_SERVERS)
    resolver.cache = dns.resolver.LRUCache(CACHE_SIZE)
    return resolver


@cache
def _asking() -> dns.resolver.Resolver:
    return _made(settings.DNS_SERVERS)


@cache
def _asking_lists() -> dns.resolver.Resolver:
    return _made(settings.DNSBL_SERVERS or settings.DNS_SERVERS)


def _lists_servers() -> Iterable[str | dns.nameserver.Nameserver]:
    return _asking_lists().nameservers


def _made(configured: Iterable[tuple[str, int]]) -> dns.resolver.Resolver:
    servers = list(_servers(configured))
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = servers
    resolver.timeout = TIMEOUT_SECONDS
    resolver.lifetime = TIMEOUT_SECONDS * 2 + 0.5
    return resolver


def _servers(configured: Iterable[tuple[str, int]]) -> Iterable[dns.nameserver.Nameserver]:
    return [dns.nameserver.Do53Nameserver(host, port) for host, port in configured]


def _refuse_inside_a_transaction() -> None:
    for connection in connections.all(initialized_only=True):
        # The transaction a test case wraps around itself is no transaction of ours.
        if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            raise RuntimeError("DNS was asked inside a database transaction; ask before it, or after it.")
