"""Reads the receivers' ledger: the ground truth that promises are checked against. Streaming; a row is a dict as the
recorder wrote it.

Instants are the receivers' monotonic seconds (`t`) or seconds since 1970 (`wall`); both are in every row.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Duplicate:
    """One address that accepted the same mailing (or Message-ID) more than once."""

    key: str
    recipient: str
    times: int


@dataclass(frozen=True)
class Summary:
    """Recipients by verdict, what was broken, and how the accepted mail was signed."""

    accepted: int
    deferred: int
    refused: int
    refused_recipients: int
    limit_violations: int
    dkim_verified: int
    unsubscribe_signed: int
    by_persona: dict[str, int]
    reasons: dict[str, int]


def rows(path: Path, *events: str) -> Iterator[Row]:
    """Rows in the order written, of these events only when any are named. A half-written last line (the lab was
    killed) is left out.
    """
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                row: Row = json.loads(line)
                if not events or row["event"] in events:
                    yield row


def summarise(path: Path) -> Summary:
    """One pass over the whole ledger."""
    events: Counter[str] = Counter()
    by_persona: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for row in rows(path):
        events[row["event"]] += 1
        if row.get("reason"):
            reasons[row["reason"]] += 1
        if row["event"] == "rcpt" and row["code"] >= 500:
            events["refused_recipients"] += 1
        if row["event"] == "accepted":
            by_persona[row["persona"]] += 1
            events["verified"] += row["dkim_verified"] is True
            events["unsubscribe_signed"] += row["unsubscribe_signed"]
    return Summary(
        accepted=events["accepted"],
        deferred=events["deferred"],
        refused=events["refused"],
        refused_recipients=events["refused_recipients"],
        limit_violations=events["limit_violation"],
        dkim_verified=events["verified"],
        unsubscribe_signed=events["unsubscribe_signed"],
        by_persona=dict(by_persona),
        reasons=dict(reasons),
    )


def accepted_count(path: Path, *, persona: str | None = None, mailing: str | None = None) -> int:
    """Recipients for whom a message was accepted."""
    return sum(1 for row in _accepted(path) if persona in (None, row["persona"]) and mailing in (None, row["mailing"]))


def accepted_recipients(path: Path, *, mailing: str | None = None) -> Counter[str]:
    """How many messages each address accepted."""
    return Counter(row["recipient"] for row in _accepted(path) if mailing in (None, row["mailing"]))


def duplicates(path: Path, *, key: str = "mailing") -> list[Duplicate]:
    """Addresses that accepted the same `key` ('mailing' or 'message_id') more than once. Rows without that key are
    not compared.
    """
    seen = Counter((row[key], row["recipient"]) for row in _accepted(path) if row[key])
    return [Duplicate(found, recipient, times) for (found, recipient), times in seen.items() if times > 1]


def violations(path: Path, *, persona: str | None = None, what: str | None = None) -> list[Row]:
    """Rows of caps a client went over: what, scope, observed, limit."""
    return [
        row
        for row in rows(path, "limit_violation")
        if persona in (None, row["persona"]) and what in (None, row["what"])
    ]


def dkim_verified_share(path: Path) -> float:
    """Share of accepted messages with a valid signature; 1.0 when nothing was accepted."""
    verdicts = Counter(row["dkim_verified"] is True for row in _messages(path))
    return verdicts[True] / verdicts.total() if verdicts else 1.0


def unsubscribe_signed_share(path: Path) -> float:
    """Share of accepted messages with both RFC 8058 headers under a valid signature; 1.0 when nothing was accepted."""
    verdicts = Counter(bool(row["unsubscribe_signed"]) for row in _messages(path))
    return verdicts[True] / verdicts.total() if verdicts else 1.0


def largest_window(
    path: Path, *, by: tuple[str, ...] = ("persona", "ip"), seconds: float = 60
) -> dict[tuple[str, ...], int]:
    """The most messages accepted within any rolling `seconds`, by columns of the row (persona, ip, dkim_domain, host
    …).
    """
    return _peaks(((tuple(str(row[column]) for column in by), row["t"]) for row in _messages(path)), seconds)


def largest_dot_window(path: Path, *, seconds: float = 60) -> dict[tuple[str, ...], int]:
    """As `largest_window` by persona and client IP, but of all final dots seen, also those refused after it."""
    return _peaks((((row["persona"], row["ip"]), row["t"]) for row in _first_dots(path)), seconds)


def most_connections(path: Path) -> dict[tuple[str, str], int]:
    """The most connections open at once, by persona and client IP."""
    live: Counter[tuple[str, str]] = Counter()
    most: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in rows(path, "open", "close"):
        who = (row["persona"], row["ip"])
        live[who] += 1 if row["event"] == "open" else -1
        most[who] = max(most[who], live[who])
    return dict(most)


def most_messages_per_connection(path: Path) -> dict[str, int]:
    """The most messages one connection delivered (final dots), by persona."""
    counts: defaultdict[str, int] = defaultdict(int)
    for row in rows(path, "close"):
        counts[row["persona"]] = max(counts[row["persona"]], row["messages"])
    return dict(counts)


def largest_burst(path: Path, *, batch_pause: float) -> dict[str, int]:
    """The most messages one connection had accepted without a pause of at least `batch_pause` seconds, by persona."""
    running: dict[tuple[str, int], tuple[float, int]] = {}
    largest: defaultdict[str, int] = defaultdict(int)
    for row in rows(path, "accepted", "close"):
        who = (row["persona"], row["connection"])
        if row["event"] == "close":
            running.pop(who, None)
        elif row["nth_recipient"] == 0:
            last, length = running.get(who, (row["t"], 0))
            length = 1 if row["t"] - last >= batch_pause and length else length + 1
            running[who] = (row["t"], length)
            largest[row["persona"]] = max(largest[row["persona"]], length)
    return dict(largest)


def accepted_after(path: Path, *, recipient: str, wall: float) -> list[Row]:
    """Messages an address accepted at or after an instant (seconds since 1970)."""
    return [row for row in _accepted(path) if row["recipient"] == recipient and row["wall"] >= wall]


def dots_after(path: Path, *, since: dict[str, float]) -> list[Row]:
    """Final dots for addresses at or after each one's own instant (address → seconds since 1970), whatever became of
    them.
    """
    return [row for row in rows(path, "dot_seen") if row["wall"] >= since.get(row["recipient"], float("inf"))]


def unanswered(path: Path) -> list[Row]:
    """Dots seen that no verdict follows on that connection: the sender can't know, and nothing was accepted."""
    open_dots: dict[tuple[int, str], Row] = {}
    for row in rows(path, "dot_seen", "accepted", "deferred", "refused"):
        where = (row["connection"], row["recipient"])
        if row["event"] == "dot_seen":
            open_dots[where] = row
        else:
            open_dots.pop(where, None)
    return list(open_dots.values())


def reports(path: Path) -> Counter[str]:
    """What the receivers sent back: dsn_sent, arf_sent, relayed_sent, return_failed."""
    return Counter(row["event"] for row in rows(path, "dsn_sent", "arf_sent", "relayed_sent", "return_failed"))


def _accepted(path: Path) -> Iterator[Row]:
    return rows(path, "accepted")


def _messages(path: Path) -> Iterator[Row]:
    return (row for row in _accepted(path) if row["nth_recipient"] == 0)


def _first_dots(path: Path) -> Iterator[Row]:
    return (row for row in rows(path, "dot_seen") if row["nth_recipient"] == 0)


def _peaks(events: Iterable[tuple[tuple[str, ...], float]], seconds: float) -> dict[tuple[str, ...], int]:
    within: defaultdict[tuple[str, ...], deque[float]] = defaultdict(deque)
    peaks: dict[tuple[str, ...], int] = {}
    for who, t in events:
        window = within[who]
        window.append(t)
        while window[0] <= t - seconds:
            window.popleft()
        peaks[who] = max(peaks.get(who, 0), len(window))
    return peaks
