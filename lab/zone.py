"""What the lab's DNS knows. Nothing else exists, and nothing is asked anywhere else."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field

TYPES = ("A", "AAAA", "MX", "TXT", "CNAME", "PTR", "NS", "SOA", "CAA")
FAILURES = ("servfail", "refused", "timeout", "nxdomain", "null_mx", "private_mx", "cname_loop", "truncate")
PRIVATE_ADDRESS = "10.1.2.3"
CNAME_DEPTH = 8


class BadRecord(ValueError):
    """A record or failure mode the zone cannot hold; the message says why."""


@dataclass(frozen=True)
class Record:
    """`value` in presentation form: 'MX' is '10 mx.example', 'TXT' the text itself, unquoted."""

    name: str
    type: str
    value: str
    ttl: int = 60


@dataclass
class Answer:
    """`rcode` is NOERROR, NXDOMAIN, SERVFAIL, REFUSED, or TIMEOUT for no answer at all."""

    rcode: str
    records: list[Record] = field(default_factory=list)
    truncated: bool = False


def canonical(name: str) -> str:
    return name.rstrip(".").lower()


def reverse_name(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


class Zone:
    def __init__(self) -> None:
        self._records: dict[tuple[str, str], list[Record]] = {}
        self._names: set[str] = set()
        self._failures: dict[str, str] = {}

    def add(self, name: str, type: str, value: str, ttl: int = 60) -> None:
        """Add one record; a record that is already there changes only its TTL. Raises BadRecord."""
        record = Record(canonical(name), type.upper(), value, ttl)
        _check(record)
        kept = [old for old in self._records.get((record.name, record.type), []) if old.value != value]
        self._records[record.name, record.type] = [*kept, record]
        self._names.update(_ancestors(record.name))

    def put(self, name: str, type: str, values: list[str], ttl: int = 60) -> None:
        """Replace all records of this name and type; an empty list removes them. Raises BadRecord."""
        old = self._records.pop((canonical(name), type.upper()), [])
        try:
            for value in values:
                self.add(name, type, value, ttl)
        except BadRecord:
            self._records[canonical(name), type.upper()] = old
            raise

    def fail(self, name: str, mode: str | None) -> None:
        """Let every question for this name fail in this way until told otherwise (None). Raises BadRecord."""
        if mode is None:
            self._failures.pop(canonical(name), None)
            return
        if mode not in FAILURES:
            raise BadRecord(f"There is no failure mode {mode!r}; there are {', '.join(FAILURES)}.")
        self._failures[canonical(name)] = mode
        if mode == "private_mx":
            self.add(f"mx-private.{canonical(name)}", "A", PRIVATE_ADDRESS)

    def answer(self, name: str, type: str) -> Answer:
        """The answer to one question, CNAMEs followed."""
        name, type = canonical(name), type.upper()
        mode = self._failures.get(name)
        if mode:
            return self._failing(mode, name, type)
        return self._honest(name, type)

    def texts(self, name: str) -> list[str]:
        """TXT values of a name; empty also when the lookup fails."""
        return [record.value for record in self.answer(name, "TXT").records if record.type == "TXT"]

    def exchangers(self, domain: str) -> list[str]:
        """MX hosts of a domain, best first; empty when there are none or it fails."""
        found = [record.value.split() for record in self.answer(domain, "MX").records if record.type == "MX"]
        return [canonical(host) for _, host in sorted(found, key=lambda pair: int(pair[0]))]

    def addresses(self, host: str) -> list[str]:
        return [record.value for record in self.answer(host, "A").records if record.type == "A"]

    def records(self) -> list[Record]:
        return [record for found in self._records.values() for record in found]

    def failures(self) -> dict[str, str]:
        return dict(self._failures)

    def _failing(self, mode: str, name: str, type: str) -> Answer:
        if mode == "cname_loop":
            other = f"loop.{name}"
            return Answer("NOERROR", [Record(name, "CNAME", other), Record(other, "CNAME", name)])
        if mode == "truncate":
            return Answer("NOERROR", self._honest(name, type).records, truncated=True)
        if mode in ("null_mx", "private_mx"):
            host = "0 ." if mode == "null_mx" else f"10 mx-private.{name}"
            return Answer("NOERROR", [Record(name, "MX", host)]) if type == "MX" else self._honest(name, type)
        return Answer(mode.upper())

    def _honest(self, name: str, type: str) -> Answer:
        found: list[Record] = []
        for _ in range(CNAME_DEPTH):
            here = self._records.get((name, type), [])
            alias = self._records.get((name, "CNAME"), [])
            if here or not alias:
                found += here
                break
            found += alias
            name = canonical(alias[0].value)
        exists = bool(found) or name in self._names
        if not found and exists and type == "SOA" and not name.startswith("_"):
            found = [Record(name, "SOA", f"ns.lab.example hostmaster.{name}")]
        return Answer("NOERROR" if exists else "NXDOMAIN", found)


def _ancestors(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.partition(".")[2]


def _check(record: Record) -> None:
    if record.type not in TYPES:
        raise BadRecord(f"The lab's DNS has no type {record.type!r}; it has {', '.join(TYPES)}.")
    labels = record.name.split(".")
    if len(record.name) > 253 or not all(0 < len(label) <= 63 for label in labels):
        raise BadRecord(f"{record.name!r} is not a DNS name.")
    if record.type in ("A", "AAAA"):
        _check_address(record)
    if record.type == "MX" and not (len(record.value.split()) == 2 and record.value.split()[0].isdigit()):
        raise BadRecord(f"An MX value reads '10 mx.example', not {record.value!r}.")


def _check_address(record: Record) -> None:
    try:
        version = ipaddress.ip_address(record.value).version
    except ValueError as error:
        raise BadRecord(f"{record.value!r} is not an address.") from error
    if version != (4 if record.type == "A" else 6):
        raise BadRecord(f"{record.value!r} does not belong in a record of type {record.type}.")
