"""Dialogues of one thread: each waits for itself, and what blocks is done elsewhere."""

import socket
import threading
import time
from functools import partial

import pytest

from sending import hub
from sending.pure.dialogue import SmtpReply
from sending.smtp import Closed, Dialogue
from sending.transports import Patience


@pytest.fixture(scope="module")
def loop() -> hub.Hub:
    started = hub.Hub()
    started.start()
    return started


def smtp_pair() -> tuple[Dialogue, socket.socket]:
    ours, theirs = socket.socketpair()
    return Dialogue(ours, host="mx.test", ehlo_name="out.test", patience=Patience()), theirs


def together(loop: hub.Hub, *acts):
    results = [None] * len(acts)

    def bring(place: int) -> None:
        results[place] = loop.drive(acts[place])

    threads = [threading.Thread(target=bring, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def test_a_dialogue_that_waits_for_its_receiver_holds_up_no_other(loop):
    waiting, receiver = smtp_pair()

    def hear() -> SmtpReply:
        return waiting.read_reply(5)

    def make_the_receiver_talk() -> str:
        receiver.sendall(b"250 at last\r\n")
        return "said"

    assert together(loop, hear, make_the_receiver_talk) == [SmtpReply(250, "at last"), "said"]


def test_more_than_the_socket_takes_is_written_as_the_receiver_reads_it(loop):
    speaker, receiver = smtp_pair()
    letter = b"x" * 4_000_000

    def read_all() -> int:
        n = 0
        while n < len(letter):
            n += len(receiver.recv(65536))
        return n

    assert together(loop, partial(speaker.write, letter, 5), partial(hub.errand, read_all)) == [None, len(letter)]


def test_a_receiver_that_says_nothing_costs_its_time_limit_and_one_that_leaves_is_noticed_at_once(loop):
    silent, kept = smtp_pair()
    left, gone = smtp_pair()
    gone.close()
    with pytest.raises(TimeoutError):
        loop.drive(partial(silent.read_reply, 0.05))
    with pytest.raises(Closed):
        loop.drive(partial(left.read_reply, 5))
    kept.close()


def test_a_farewell_nobody_waits_for_is_found_when_somebody_does(loop):
    dialogue, receiver = smtp_pair()

    def hear_twice() -> list[int]:
        receiver.sendall(b"250 one\r\n")
        first = dialogue.read_reply(5)
        hub.errand(partial(receiver.sendall, b"421 bye\r\n"))
        hub.errand(partial(time.sleep, 0.02))
        return [first.code, dialogue.read_reply(5).code]

    assert loop.drive(hear_twice) == [250, 421]


def test_an_errand_runs_on_the_thread_that_brought_the_dialogue_and_gives_back_what_it_came_to(loop):
    def ask() -> list[object]:
        with pytest.raises(LookupError):
            hub.errand(partial(dict[str, int]().__getitem__, "nothing"))
        return [hub.errand(threading.get_ident), threading.get_ident()]

    assert loop.drive(ask) == [threading.get_ident(), loop.ident]


def test_what_a_dialogue_raises_is_raised_where_it_was_brought_from(loop):
    with pytest.raises(ZeroDivisionError):
        loop.drive(lambda: 1 // 0)


def test_a_wake_up_that_comes_too_late_wakes_nobody(loop):
    def wait_twice() -> float:
        strand = hub.strand()
        assert strand is not None
        wake = strand.hub.waker(strand)
        strand.hub.park(strand, time.monotonic() + 0.01)
        began = time.monotonic()
        wake()
        strand.hub.park(strand, began + 0.05)
        return time.monotonic() - began

    assert loop.drive(wait_twice) >= 0.05


def test_a_closed_socket_is_forgotten_before_its_number_is_given_to_another(loop):
    def talk_and_close() -> int:
        dialogue, receiver = smtp_pair()
        receiver.sendall(b"250 one\r\n")
        code = dialogue.read_reply(5).code
        with pytest.raises(TimeoutError):
            dialogue.read_reply(0.01)
        dialogue.close()
        receiver.close()
        return code

    assert [loop.drive(talk_and_close) for _ in range(3)] == [250, 250, 250]
