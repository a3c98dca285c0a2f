"""The provider catalogue: who stands behind an MX host, and what each provider is known to bear.

Data with sources (`reputation/providers.toml`), read and validated here. Marks of a source: O the provider's own page,
C code or data of an open MTA, 2 a secondary page, P our own proposal.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

OTHER = "other"
UNKNOWN = "unknown"
# Keys that are no providers: sending's lane of the many small ones, and those DNS was not asked about yet.
_NAMES = {UNKNOWN: "Not looked up yet", "tail": "Small providers"}
MARKS = {"O", "C", "2", "P"}
SITE_LENGTH = 500

_KEY = re.compile(r"[a-z0-9]+")
_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})+")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Limits of one temperature. None is no limit. `batch_pause` in seconds, after every `batch_size` messages."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    connections: int | None = None
    per_connection: int | None = None
    batch_size: int | None = None
    batch_pause: float | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the catalogue. `cold` is the first week of a new address or domain there, `warm` the ceiling after."""

    key: str
    name: str
    source: str
    mark: str
    limits_mark: str = "P"
    mx: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    cold: Ceiling = field(default_factory=Ceiling)
    warm: Ceiling = field(default_factory=Ceiling)
    site_cold: Ceiling = field(default_factory=Ceiling)
    site_warm: Ceiling = field(default_factory=Ceiling)
    tls_required: bool = False
    warmup_factor: float = 0.1
    stop_minutes: float = 30.0
    notes: str = ""


class CatalogueError(ValueError):
    """The data is wrong; `problems` are sentences that name row and field."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rows, and the way from an MX host or a domain to one of them."""

    providers: Mapping[str, Provider]
    by_suffix: Mapping[str, str]
    by_domain: Mapping[str, str]

    def get(self, key: str) -> Provider:
        """The row of a provider key; `other:…`, `unknown` and keys no longer in the catalogue get the row `other`."""
        return self.providers.get(key) or self.providers[OTHER]

    def title(self, key: str) -> str:
        """The provider's name for people: "Gmail", "example.org", "Not looked up yet"."""
        if key in self.providers:
            return self.providers[key].name
        return _NAMES.get(key) or key.removeprefix(f"{OTHER}:")

    def match(self, mx_hosts: Iterable[str], domain: str, *, registrable: Callable[[str], str]) -> str:
        """The provider key of a domain by its whole MX set.

        A known provider needs every host to end with one of its suffixes at a label boundary. Otherwise the key is
        `other:<registrable domain of the hosts>`, or of the domain itself where the hosts have several.
        """
        hosts = [_plain(host) for host in mx_hosts]
        keys = {self._owner(host) for host in hosts}
        if len(keys) == 1 and (key := keys.pop()) is not None:
            return key
        owners = {registrable(host) for host in hosts}
        owner = owners.pop() if len(owners) == 1 else registrable(_plain(domain))
        return f"{OTHER}:{owner}"[:120]

    def by_rows(self, mx_hosts: Iterable[str]) -> list[tuple[str, str]]:
        """Each MX host with the suffix that its provider is known by; "" for a host that no row has."""
        return [(host, self._suffix(host)) for host in map(_plain, mx_hosts)]

    def guess(self, domain: str) -> str:
        """The provider key by the list of well-known domains, else `unknown`. For forecasts, before DNS was asked."""
        return self.by_domain.get(_plain(domain), UNKNOWN)

    def _owner(self, host: str) -> str | None:
        return self.by_suffix.get(self._suffix(host))

    def _suffix(self, host: str) -> str:
        labels = host.split(".")
        suffixes = (".".join(labels[start:]) for start in range(len(labels)))
        return next((suffix for suffix in suffixes if suffix in self.by_suffix), "")


def load(text: str) -> Catalogue:
    """Read the catalogue from TOML. Raises CatalogueError with every problem found, by row and field."""
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError([f"The catalogue is not valid TOML: {error}."]) from None
    problems = [problem for key, row in rows.items() for problem in _problems_of_row(key, row)]
    if OTHER not in rows:
        problems.append(f"The row {OTHER!r} is missing: it holds the limits of everybody without a row.")
    problems += [*_repeated(rows, "mx"), *_repeated(rows, "domains"), *_overlapping(rows)]
    if problems:
        raise CatalogueError(problems)
    providers = {key: _provider(key, row) for key, row in rows.items()}
    return Catalogue(
        providers=providers,
        by_suffix={suffix: provider.key for provider in providers.values() for suffix in provider.mx},
        by_domain={domain: provider.key for provider in providers.values() for domain in provider.domains},
    )


def site_name(hosts: Iterable[str]) -> str:
    """One name for an MX set, equal for all domains that share it: hosts of equal depth are folded label by label.

    >>> site_name(["alt1.mx.example.net", "alt2.mx.example.net"])
    '(alt1|alt2).mx.example.net'
    """
    by_depth: dict[int, list[list[str]]] = {}
    for host in sorted({_plain(host) for host in hosts}):
        labels = host.split(".")
        by_depth.setdefault(len(labels), []).append(labels)
    folded = (".".join(map(_one_of, zip(*group, strict=True))) for _, group in sorted(by_depth.items()))
    return ",".join(folded)[:SITE_LENGTH]


def _one_of(labels: Iterable[str]) -> str:
    distinct = sorted(set(labels))
    return distinct[0] if len(distinct) == 1 else f"({'|'.join(distinct)})"


def _plain(host: str) -> str:
    return host.strip().rstrip(".").lower()


_CEILINGS = {"cold", "warm", "site_cold", "site_warm"}
_LISTS = {"mx", "domains"}
_TEXTS = {"name", "source", "notes", "mark", "limits_mark"}
_NUMBERS = {"warmup_factor", "stop_minutes"}
_FIELDS = _CEILINGS | _LISTS | _TEXTS | _NUMBERS | {"tls_required"}
_LIMITS = {limit.name for limit in fields(Ceiling)}
# What nobody means who writes more: Microsoft's 500 connections are the most that any provider speaks of.
_MOST: Mapping[str, float] = {
    "per_minute": 60_000,
    "per_hour": 1_000_000,
    "per_day": 20_000_000,
    "connections": 500,
    "per_connection": 10_000,
    "batch_size": 10_000,
    "batch_pause": 86_400,
    "warmup_factor": 10,
    "stop_minutes": 1_440,
}


def _problems_of_row(key: str, row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield f"[{key}] must be a table of fields."
        return
    if not _KEY.fullmatch(key) or key == UNKNOWN:
        yield f"[{key}] is no provider key: use small letters and digits, and not {UNKNOWN!r}."
    for name in ("name", "source", "mark"):
        if not row.get(name):
            yield f"[{key}] {name} is missing."
    for name, value in row.items():
        if problem := _problem_of_field(name, value):
            yield f"[{key}] {name} {problem}"
    yield from _warmer_than_warm(key, row)


def _warmer_than_warm(key: str, row: Mapping[str, Any]) -> Iterator[str]:
    for cold, warm in (("cold", "warm"), ("site_cold", "site_warm")):
        chilled, full = row.get(cold), row.get(warm)
        if not (isinstance(chilled, dict) and isinstance(full, dict)):
            continue
        for name in sorted(chilled.keys() & full.keys() - {"batch_pause"}):
            if _is_number(chilled[name]) and _is_number(full[name]) and chilled[name] > full[name]:
                yield f"[{key}] {cold} {name} {chilled[name]} is more than {warm} {name} {full[name]}."


def _problem_of_field(name: str, value: Any) -> str | None:
    if name not in _FIELDS:
        return "is not a field of the catalogue."
    if name in _CEILINGS:
        return _problem_of_ceiling(value)
    if name in _LISTS:
        return _problem_of_hosts(value)
    if name in _NUMBERS:
        return None if _is_number(value) and 0 < value <= _MOST[name] else f"must be a number up to {_MOST[name]:g}."
    if name == "tls_required":
        return None if isinstance(value, bool) else "must be true or false."
    if not isinstance(value, str):
        return "must be text."
    if name.endswith("mark") and value not in MARKS:
        return f"must be one of {', '.join(sorted(MARKS))}, not {value!r}."
    return None


def _problem_of_ceiling(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "must be a table of limits."
    for name, limit in value.items():
        if name not in _LIMITS:
            return f"has {name!r}, which is no limit. Limits are {', '.join(sorted(_LIMITS))}."
        if name == "batch_pause" and (not _is_number(limit) or limit < 0):
            return f"{name} must be a number of seconds."
        if _is_number(limit) and limit > _MOST[name]:
            return f"{name} must be {_MOST[name]:g} at most."
        if name != "batch_pause" and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            return f"{name} must be a whole number of 1 or more."
    return None


def _problem_of_hosts(value: Any) -> str | None:
    if not isinstance(value, list):
        return "must be a list of host names."
    wrong = [host for host in value if not isinstance(host, str) or not _HOST.fullmatch(host)]
    return f"has {wrong[0]!r}: write names in small letters, without dots at either end." if wrong else None


def _repeated(rows: Mapping[str, Any], name: str) -> Iterator[str]:
    owners: dict[str, str] = {}
    for key, row in rows.items():
        for host in row.get(name, []) if isinstance(row, dict) and isinstance(row.get(name, []), list) else []:
            if host in owners:
                yield f"[{key}] {name} has {host!r}, which [{owners[host]}] has already."
            owners.setdefault(host, key)


def _overlapping(rows: Mapping[str, Any]) -> Iterator[str]:
    """A suffix below another one: which of the two holds would hang on the order of look-ups."""
    owners = {host: key for key, row in rows.items() for host in _hosts(row)}
    for host, key in owners.items():
        labels = host.split(".")
        for above in (".".join(labels[start:]) for start in range(1, len(labels))):
            if above in owners:
                yield f"[{key}] mx has {host!r}, which lies below {above!r} of [{owners[above]}]."


def _hosts(row: Any) -> list[str]:
    hosts = row.get("mx", []) if isinstance(row, dict) else []
    return [host for host in hosts if isinstance(host, str)] if isinstance(hosts, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _provider(key: str, row: Mapping[str, Any]) -> Provider:
    values = dict(row)
    for name in _CEILINGS & row.keys():
        values[name] = Ceiling(**row[name])
    for name in _LISTS & row.keys():
        values[name] = tuple(row[name])
    return Provider(key=key, **values)
