import multiprocessing
import stat
from pathlib import Path

import pytest

from sending.journal import Entry, Journal, JournalFull, Unfit

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "kept" / "wishes.lines", most=1_000_000)


def append_many(path: Path, writer: int, n: int) -> None:
    for number in range(n):
        Journal(path, most=1_000_000).append({"writer": writer, "number": number})


def test_what_was_appended_is_carried_out_in_order_and_once(journal: Journal) -> None:
    for number in range(3):
        journal.append({"number": number})
    assert journal.is_waiting()
    seen: list[Entry] = []
    assert journal.carry_out(seen.append) == 3
    assert [entry["number"] for entry in seen] == [0, 1, 2]
    assert not journal.is_waiting()
    assert journal.carry_out(seen.append) == 0


def test_only_its_owner_may_read_it(journal: Journal) -> None:
    journal.append({"a": 1})
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_several_processes_append_while_another_carries_out(journal: Journal) -> None:
    writers = [SPAWN.Process(target=append_many, args=(journal.path, n, 50)) for n in range(3)]
    for writer in writers:
        writer.start()
    seen: list[tuple[int, int]] = []
    while any(writer.is_alive() for writer in writers) or journal.is_waiting():
        journal.carry_out(lambda entry: seen.append((entry["writer"], entry["number"])))
    assert sorted(seen) == [(writer, number) for writer in range(3) for number in range(50)]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_kept_aside_and_the_rest_is_carried_out(journal: Journal, cut: int) -> None:
    journal.append({"number": 1})
    journal.append({"number": 2, "text": "long enough to be torn"})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-cut])
    journal.append({"number": 3})
    seen: list[Entry] = []
    journal.carry_out(seen.append)
    # A line that only lacks its end is whole.
    assert [entry["number"] for entry in seen] == ([1, 2, 3] if cut == 1 else [1, 3])
    assert journal.path.with_suffix(".aside").exists() == (cut > 1)
    assert not journal.is_waiting()


def test_what_cannot_be_carried_out_now_comes_again_and_what_never_can_is_kept_aside(journal: Journal) -> None:
    journal.append({"number": 1}, {"number": 2})

    def away(_entry: Entry) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        journal.carry_out(away)
    assert journal.is_waiting()

    def picky(entry: Entry) -> None:
        if entry["number"] == 1:
            raise Unfit("nobody knows what this means")

    assert journal.carry_out(picky) == 1
    assert b'"number":1' in journal.path.with_suffix(".aside").read_bytes()


def test_a_full_journal_refuses_and_keeps_what_it_has(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    small = Journal(journal.path, most=100)
    small.append({"text": "x" * 40})
    small.append({"text": "y" * 10})
    assert "fills up" in caplog.text
    with pytest.raises(JournalFull):
        small.append({"text": "z" * 40})
    assert len(small.read()) == 2
