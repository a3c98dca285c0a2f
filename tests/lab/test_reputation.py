"""Receivers that remember: who grows slowly is taken, who bursts is put off, who keeps on is refused."""

import pytest

from lab import ledger
from lab.reputation import DAY, HOUR, Opinion, Temper
from tests.lab.conftest import OpenLab, connect, post

IP, DOMAIN = "192.0.2.1", "news.example"


def send(opinion: Opinion, n: int, *, day: int, over: float = 20 * HOUR, unknown: int = 0, ip: str = IP) -> list[str]:
    """`n` messages evenly over the day's first hours, `unknown` of them to nobody."""
    return [
        opinion.answer(now=day * DAY + over * place / n, ip=ip, domain=DOMAIN, exists=place >= unknown)
        for place in range(n)
    ]


@pytest.mark.parametrize(("growth", "is_welcome"), [(1.3, True), (1.5, True), (1.9, True), (3.0, False)])
def test_half_as_much_again_each_day_is_welcome_and_three_times_is_not(growth: float, is_welcome: bool) -> None:
    opinion = Opinion(Temper(strangers_a_day=200))
    answers = [set(send(opinion, int(200 * growth**day), day=day)) for day in range(6)]
    assert (answers == [{"ok"}] * 6) is is_welcome
    assert bool(opinion.blocks) is not is_welcome


def test_an_evenly_spread_day_is_taken_and_the_same_at_once_is_not() -> None:
    assert set(send(Opinion(), 200, day=0)) == {"ok"}
    answers = send(Opinion(), 200, day=0, over=60)
    assert answers[:50] == ["ok"] * 50
    assert "rate_ip" in answers
    assert answers[-1] == "reputation"


def test_who_goes_on_while_refused_is_refused_and_counted() -> None:
    opinion = Opinion(Temper(strangers_a_day=10, strangers_an_hour=10, patience=5))
    answers = send(opinion, 40, day=0, over=60)
    assert answers == ["ok"] * 10 + ["rate_ip"] * 5 + ["reputation"] * 25
    assert opinion.pushed == 24
    (block, *_) = opinion.blocks
    assert (block.scope, block.why) == (IP, "too much, too fast")
    # Two hours later, on the next day, it is a stranger again.
    assert send(opinion, 10, day=1) == ["ok"] * 10


def test_complaints_slow_and_then_close_the_door_for_a_day() -> None:
    opinion = Opinion(Temper(strangers_a_day=1000))
    send(opinion, 200, day=0)
    before = opinion.allowance(now=0.9 * DAY, scope=DOMAIN)
    opinion.complain(now=0.9 * DAY, ip=IP, domain=DOMAIN)
    assert opinion.allowance(now=0.9 * DAY, scope=DOMAIN) == before / 2
    opinion.complain(now=0.9 * DAY, ip=IP, domain=DOMAIN)
    assert {block.why for block in opinion.blocks} == {"complaints"}
    assert opinion.answer(now=1.5 * DAY, ip=IP, domain=DOMAIN, exists=True) == "reputation"
    assert opinion.answer(now=2.5 * DAY, ip=IP, domain=DOMAIN, exists=True) == "ok"


def test_mail_to_nobody_is_held_against_the_sender() -> None:
    assert "reputation" in send(Opinion(Temper(strangers_a_day=1000)), 150, day=0, unknown=20)
    assert "reputation" not in send(Opinion(Temper(strangers_a_day=1000)), 150, day=0, unknown=5)


def test_a_domain_is_known_from_another_address_and_an_address_by_itself() -> None:
    opinion = Opinion(Temper(strangers_a_day=100, strangers_an_hour=100))
    for day in range(5):
        send(opinion, 100 * 2**day, day=day)
    assert opinion.allowance(now=5 * DAY, scope=DOMAIN) > 2000
    assert opinion.allowance(now=5 * DAY, scope="192.0.2.2") == 100
    answers = send(opinion, 150, day=5, ip="192.0.2.2")
    assert answers.count("ok") == 100


def test_what_is_known_fades_by_half_in_a_month() -> None:
    opinion = Opinion(Temper(strangers_a_day=100, strangers_an_hour=1000, growth=1.0))
    send(opinion, 100, day=0)
    opinion.standings[IP].known = 1000.0
    assert opinion.allowance(now=30 * DAY, scope=IP) == pytest.approx(500)
    assert opinion.allowance(now=60 * DAY, scope=IP) == pytest.approx(250)


def test_a_receiver_of_the_lab_says_so_in_its_own_words(open_lab: OpenLab) -> None:
    words = {"strangers_day": 5, "strangers_hour": 5, "reputation_patience": 2}
    lab = open_lab(personas={"google": words})
    with connect(lab, "gmail-smtp-in.l.google.com") as client:
        assert [post(client, f"p{n}@gmail.com")[0] for n in range(5)] == [250] * 5
    for expected in (421, 421, 550):
        with connect(lab, "gmail-smtp-in.l.google.com") as client:
            assert post(client, "late@gmail.com")[0] == expected
    lab.call(lambda: lab.advance(86_400))
    with connect(lab, "gmail-smtp-in.l.google.com") as client:
        assert post(client, "tomorrow@gmail.com")[0] == 250
    assert ledger.accepted_count(lab.ledger) == 6
