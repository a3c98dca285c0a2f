"""A name server of our own on loopback, with every way a name server can misbehave."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest
from dnslib import QTYPE, RCODE, RR, DNSHeader, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from pytest_django import Settings


@dataclass
class Zones(BaseResolver):  # type: ignore[misc]
    """Records in zone-file notation by name; `fails` answer SERVFAIL, `silent` do not answer at all."""

    records: dict[str, list[RR]] = field(default_factory=dict)
    fails: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, zone: str) -> None:
        for record in RR.fromZone(zone):
            self.records.setdefault(str(record.rname).rstrip(".").lower(), []).append(record)

    def put(self, zone: str) -> None:
        """Replace what is at the names in `zone`, type by type."""
        for record in RR.fromZone(zone):
            self.drop(str(record.rname).rstrip(".").lower(), QTYPE[record.rtype])
        self.add(zone)

    def drop(self, name: str, kind: str) -> None:
        """Take the records of one type at a name away; a name without records is gone."""
        kept = [record for record in self.records.pop(name, []) if QTYPE[record.rtype] != kind]
        if kept:
            self.records[name] = kept

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        name, kind = str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        self.asked[name, kind] += 1
        reply = request.reply()
        if name in self.silent:
            return DNSRecord(DNSHeader(id=(request.header.id + 1) % 65536, qr=1), q=request.q)  # dropped as not ours
        if name in self.fails:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        found = self.records.get(name, [])
        exists = found or any(other.endswith(f".{name}") for other in self.records)
        if not exists:
            reply.header.rcode = RCODE.NXDOMAIN
        wanted = [record for record in found if QTYPE[record.rtype] in {kind, "CNAME"}]
        for record in wanted:
            reply.add_answer(record)
        return reply


@pytest.fixture(scope="session")
def _name_server() -> Iterator[tuple[Zones, int]]:
    zones = Zones()
    quiet = DNSLogger(logf=lambda line: None)
    servers = [DNSServer(zones, address="127.0.0.1", port=0, logger=quiet)]
    port = servers[0].server.server_address[1]
    servers.append(DNSServer(zones, address="127.0.0.1", port=port, tcp=True, logger=quiet))
    for server in servers:
        server.start_thread()
    yield zones, port
    for server in servers:
        server.stop()
        server.server.server_close()


@pytest.fixture
def zones(_name_server: tuple[Zones, int], settings: Settings) -> Zones:
    """An empty DNS that our resolver asks, as patiently as in production: a busy machine must not look like silence."""
    from reputation import dkim_keys, resolver  # models can't be imported before Django is set up

    served, port = _name_server
    for part in (served.records, served.fails, served.silent, served.asked):
        part.clear()
    settings.DNS_SERVERS = [("127.0.0.1", port)]
    resolver.forget()
    dkim_keys.forget()
    return served


@pytest.fixture
def _impatient(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of silence: it is taken for silence sooner."""
    from reputation import resolver  # see above

    monkeypatch.setattr(resolver, "TIMEOUT_SECONDS", 0.15)
    resolver.forget()


@pytest.fixture
def berlin() -> ZoneInfo:
    return ZoneInfo("Europe/Berlin")
