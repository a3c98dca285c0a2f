"""Reading the ledger back: the figures the promises are judged by."""

import json
from pathlib import Path
from typing import Any

from lab import ledger


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def accepted(recipient: str, t: float, **more: Any) -> dict[str, Any]:
    row = {"event": "accepted", "t": t, "wall": 1000 + t, "persona": "google", "ip": "127.0.0.21", "connection": 1}
    signed = {"dkim_verified": True, "unsubscribe_signed": True, "dkim_domain": "s.example"}
    return {**row, **signed, "recipient": recipient, "nth_recipient": 0, "mailing": "m1", "message_id": "", **more}


def test_duplicates_are_by_mailing_and_address(tmp_path: Path) -> None:
    path = written(
        tmp_path / "l",
        accepted("a@x", 1, message_id="<1>"),
        accepted("a@x", 2, mailing="m2", message_id="<1>"),
        accepted("b@x", 3),
        accepted("b@x", 4),
    )
    assert ledger.duplicates(path) == [ledger.Duplicate("m1", "b@x", 2)]
    assert ledger.duplicates(path, key="message_id") == [ledger.Duplicate("<1>", "a@x", 2)]
    assert ledger.accepted_recipients(path, mailing="m1") == {"a@x": 1, "b@x": 2}


def test_the_worst_window_counts_messages_not_recipients(tmp_path: Path) -> None:
    path = written(
        tmp_path / "l",
        accepted("a@x", 0),
        accepted("b@x", 0, nth_recipient=1),
        accepted("c@x", 59.9),
        accepted("d@x", 60),
        accepted("e@x", 60.1, ip="127.0.0.22"),
    )
    assert ledger.largest_window(path) == {("google", "127.0.0.21"): 2, ("google", "127.0.0.22"): 1}
    assert ledger.largest_window(path, by=("dkim_domain",)) == {("s.example",): 3}


def test_connections_are_counted_as_they_overlap(tmp_path: Path) -> None:
    opens = [("open", 1), ("open", 2), ("close", 1), ("open", 3), ("close", 2), ("close", 3)]
    rows = [{"event": e, "t": 1, "persona": "gmx", "ip": "i", "connection": c, "messages": c} for e, c in opens]
    path = written(tmp_path / "l", *rows)
    assert ledger.most_connections(path) == {("gmx", "i"): 2}
    assert ledger.most_messages_per_connection(path) == {"gmx": 3}


def test_bursts_end_with_a_pause_or_the_connection(tmp_path: Path) -> None:
    times = [(1, 0), (1, 1), (1, 2), (1, 12), (2, 12), (2, 13)]
    path = written(tmp_path / "l", *(accepted("a@x", t, connection=c) for c, t in times))
    assert ledger.largest_burst(path, batch_pause=10) == {"google": 3}
    assert ledger.largest_burst(path, batch_pause=11) == {"google": 4}


def test_what_came_after_an_instant(tmp_path: Path) -> None:
    path = written(tmp_path / "l", accepted("a@x", 1), accepted("a@x", 9), {**accepted("a@x", 9), "event": "dot_seen"})
    assert [row["t"] for row in ledger.accepted_after(path, recipient="a@x", wall=1005)] == [9]
    assert [row["t"] for row in ledger.dots_after(path, since={"a@x": 1005, "b@x": 0})] == [9]


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "l", accepted("a@x", 1))
    with path.open("a") as file:
        file.write('{"event": "acc')
    assert ledger.accepted_count(path) == 1


def test_an_empty_ledger_has_no_faults(tmp_path: Path) -> None:
    path = written(tmp_path / "l")
    assert ledger.summarise(path).accepted == 0
    assert (ledger.dkim_verified_share(path), ledger.duplicates(path), ledger.unanswered(path)) == (1.0, [], [])
