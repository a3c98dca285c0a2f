"""Real SMTP and LMTP into the listener, and `manage.py receive` at the end of a mail server's pipe."""

import io
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from datetime import datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from audiences.models import Suppression
from sending.inbound import reading, receiving
from sending.inbound.time_limits import TakesTooLong
from sending.models import Inbound
from sending.pure.reports import read_report
from tests.cast import verified_domain
from tests.conftest import REPOSITORY
from tests.sending.inbox import LATER, accepted, bounce_of, campaign, listening, take_in, written

pytestmark = pytest.mark.usefixtures("engine")
OURS = "anybody@bounce.news.harbour.example"


def dialogue(address: tuple[str, int], *lines: bytes) -> list[str]:
    """What the server says to each line, its greeting first; codes only."""
    with socket.create_connection(address, 10) as sock, sock.makefile("rb") as replies:
        said = [_reply(replies)]
        for line in lines:
            sock.sendall(line)
            said.append(_reply(replies))
    return said


def _reply(replies) -> str:
    line = replies.readline()
    while line[3:4] == b"-":
        line = replies.readline()
    return str(line[:3].decode())


def test_a_bounce_is_kept_before_it_is_taken_and_read_afterwards(now: datetime) -> None:
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER)
    letter = written(mailing, delivery, now=now)
    with listening(now) as (address, woken), smtplib.SMTP(*address) as client:
        refused = client.sendmail("", [letter.mail_from], bounce_of(letter, now=now))
        assert refused == {}
        row = Inbound.objects.get()
        assert (row.source, row.mail_from, row.rcpt_to, row.state) == ("smtp", "", letter.mail_from, "new")
        assert row.headers["peer"] == "127.0.0.1"
    assert woken == [row.pk]
    assert reading.read(now=now, inbound_id=row.pk) == "bounce"
    assert Suppression.objects.get().reason == "bounced"


def test_the_same_message_twice_is_one_row_and_taken_twice(now: datetime) -> None:
    verified_domain()
    with listening(now) as (address, woken), smtplib.SMTP(*address) as client:
        for _ in range(2):
            client.sendmail("", [OURS], b"Subject: x\r\n\r\nonce\r\n")
    assert Inbound.objects.count() == 1 and len(woken) == 1


@pytest.mark.parametrize(
    "address", ["jane@gmail.com", "x@harbour.example", "x@bounce.news.harbour.example.evil.example", "postmaster"]
)
def test_mail_for_others_is_refused(now: datetime, address: str) -> None:
    verified_domain()
    with listening(now) as (server, _), smtplib.SMTP(*server) as client:
        client.ehlo()
        client.mail("")
        assert client.rcpt(address)[0] in (550, 501, 553)
    assert not Inbound.objects.exists()


@pytest.mark.parametrize(
    "address", ["hello@news.harbour.example", "FBL@Bounce.News.Harbour.EXAMPLE", "b-x@bounce.news.harbour.example"]
)
def test_every_address_of_our_domains_is_taken_in_any_case_of_letters(now: datetime, address: str) -> None:
    verified_domain()
    with listening(now) as (server, _), smtplib.SMTP(*server) as client:
        client.sendmail("a@b.example", [address], b"Subject: x\r\n\r\nhello\r\n")
    assert Inbound.objects.get().rcpt_to.lower() == address.lower()


def test_when_the_database_is_away_the_sender_is_asked_to_come_back(now: datetime, monkeypatch) -> None:
    verified_domain()

    def gone(**_):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(receiving, "keep", gone)
    with listening(now) as (address, woken), smtplib.SMTP(*address) as client:
        client.ehlo()
        client.mail("")
        client.rcpt(OURS)
        assert client.data(b"Subject: x\r\n\r\nhello\r\n")[0] == 451
        monkeypatch.setattr(receiving, "is_ours", lambda _: gone())
        client.mail("")
        assert client.rcpt(OURS)[0] == 451
    assert woken == [] and not Inbound.objects.exists()


def test_a_defect_of_ours_is_a_temporary_failure(now: datetime, monkeypatch) -> None:
    verified_domain()
    monkeypatch.setattr(receiving, "keep", lambda **_: 1 / 0)
    with listening(now) as (address, _), smtplib.SMTP(*address) as client:
        client.ehlo()
        client.mail("")
        client.rcpt(OURS)
        assert client.data(b"Subject: x\r\n\r\nhello\r\n")[0] == 451


def test_of_a_long_message_the_head_is_kept_and_the_longest_is_refused(now: datetime) -> None:
    verified_domain()
    line = b"x" * 76 + b"\r\n"
    long, too_long = line * (3 * 1024 * 1024 // 78), line * (33 * 1024 * 1024 // 78)
    with listening(now) as (address, _), smtplib.SMTP(*address) as client:
        client.sendmail("", [OURS], b"Subject: long\r\n\r\n" + long)
        client.mail("")
        client.rcpt(OURS)
        assert client.data(b"Subject: too long\r\n\r\n" + too_long)[0] == 552
        # EHLO names the limit: a client that knows the size is refused before it has sent it.
        assert client.mail("", [f"SIZE={len(too_long)}"])[0] == 552
    row = Inbound.objects.get()
    assert len(bytes(row.raw)) == receiving.KEPT
    assert row.headers["size"] == len(b"Subject: long\r\n\r\n" + long)


def test_lines_without_an_end_and_only_ends_of_lines_are_endured(now: datetime) -> None:
    verified_domain()
    with listening(now) as (address, _):
        for body in (b"y" * 300_000 + b"\r\n", b"\r\n" * 300_000, b".." + b"." * 70_000 + b"\r\n..\r\n"):
            said = dialogue(
                address,
                b"EHLO x\r\n",
                b"MAIL FROM:<>\r\n",
                f"RCPT TO:<{OURS}>\r\n".encode(),
                b"DATA\r\n",
                b"Subject: x\r\n\r\n" + body + b".\r\n",
            )
            assert said == ["220", "250", "250", "250", "354", "250"]
    rows = [bytes(row.raw) for row in Inbound.objects.order_by("pk")]
    assert rows[0].endswith(b"y" * 300_000 + b"\r\n")
    assert rows[2].endswith(b"\r\n\r\n." + b"." * 70_000 + b"\r\n.\r\n")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n\x00.\r\n"])
def test_a_bare_line_end_does_not_end_a_message(now: datetime, end: bytes) -> None:
    """Else a second message could be smuggled in behind the first."""
    verified_domain()
    smuggled = b"one" + end + b"MAIL FROM:<>\r\nRCPT TO:<" + OURS.encode() + b">\r\nDATA\r\ntwo\r\n.\r\n"
    with listening(now) as (address, _):
        dialogue(address, b"EHLO x\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{OURS}>\r\n".encode(), b"DATA\r\n", smuggled)
    assert Inbound.objects.count() == 1


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(now: datetime) -> None:
    verified_domain()
    with listening(now) as (address, _):
        with socket.create_connection(address) as sock:
            sock.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<" + OURS.encode() + b">\r\nDATA\r\nSubject: x\r\n\r\nhal")
        with smtplib.SMTP(*address) as client:
            assert client.noop()[0] == 250
    assert not Inbound.objects.exists()


def test_lmtp_answers_for_each_recipient(now: datetime) -> None:
    verified_domain()
    with listening(now, lmtp=True) as (address, _), socket.create_connection(address, 10) as sock:
        replies = sock.makefile("rb")
        _reply(replies)
        for line in (b"LHLO x", b"MAIL FROM:<>", b"RCPT TO:<a@news.harbour.example>"):
            sock.sendall(line + b"\r\n")
            assert _reply(replies) == "250"
        sock.sendall(b"RCPT TO:<b@news.harbour.example>\r\nDATA\r\n")
        assert [_reply(replies), _reply(replies)] == ["250", "354"]
        sock.sendall(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        assert [_reply(replies), _reply(replies)] == ["250", "250"]
    assert sorted(Inbound.objects.values_list("rcpt_to", "source")) == [
        ("a@news.harbour.example", "lmtp"),
        ("b@news.harbour.example", "lmtp"),
    ]


# -- The pipe ----------------------------------------------------------------------------------------------------------


def piped(raw: bytes, *args: str) -> int:
    try:
        call_command("receive", *args, stream=io.BytesIO(raw), stderr=io.StringIO())
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_pipe_keeps_a_message_and_says_so_by_its_exit_code() -> None:
    verified_domain()
    assert piped(b"Subject: x\r\n\r\nhello\r\n", "--rcpt", OURS, "--sender", "<>") == 0
    row = Inbound.objects.get()
    assert (row.source, row.mail_from, row.rcpt_to) == ("pipe", "", OURS)


def test_the_pipe_finds_the_recipient_in_the_message_too() -> None:
    verified_domain()
    assert piped(f"Delivered-To: <{OURS}>\r\nSubject: x\r\n\r\nhello\r\n".encode()) == 0


@pytest.mark.parametrize(
    ("raw", "args", "code"),
    [
        (b"Subject: x\r\n\r\nhello", ["--rcpt", "jane@gmail.com"], 67),
        (b"Subject: x\r\n\r\nhello", [], 67),
        (b"", ["--rcpt", OURS], 65),
        (b"x" * (receiving.LARGEST + 1), ["--rcpt", OURS], 65),
    ],
)
def test_the_pipe_refuses_what_is_not_for_us(raw: bytes, args: list[str], code: int, monkeypatch) -> None:
    verified_domain()
    monkeypatch.delenv("SENDER", raising=False)
    assert piped(raw, *args) == code
    assert not Inbound.objects.exists()


def test_the_pipe_asks_the_mail_server_to_come_back_when_the_database_is_away(monkeypatch) -> None:
    verified_domain()

    def gone(**_):
        raise OperationalError("gone")

    monkeypatch.setattr(receiving, "keep", gone)
    assert piped(b"Subject: x\r\n\r\nhello", "--rcpt", OURS) == 75


def test_a_wrong_address_to_listen_on_is_said_in_a_sentence() -> None:
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:2525"):
        call_command("inbound", "--listen", "nowhere")


# -- What is waiting ---------------------------------------------------------------------------------------------------


def test_the_sweep_reads_what_no_wake_up_reached(now: datetime) -> None:
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER)
    letter = written(mailing, delivery, now=now)
    came = receiving.arrival(source="smtp", raw=bounce_of(letter, now=now), mail_from="", rcpt_to=letter.mail_from)
    receiving.keep(now=now, came=came)
    assert reading.sweep(now=now + timedelta(seconds=5)) == 0
    assert reading.sweep(now=now + timedelta(seconds=20)) == 1
    assert reading.sweep(now=now + timedelta(seconds=40)) == 0
    assert Inbound.objects.get().state == "done"


def test_a_message_that_kills_its_reader_is_tried_three_times_and_kept(now: datetime, monkeypatch) -> None:
    verified_domain()

    def killed(*_, **__):
        raise KeyboardInterrupt

    came = receiving.arrival(source="smtp", raw=b"Subject: x\r\n\r\nhello", mail_from="", rcpt_to=OURS)
    inbound_id = receiving.keep(now=now, came=came)
    assert inbound_id is not None
    monkeypatch.setattr(reading, "read_report", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            reading.read(now=now, inbound_id=inbound_id)
    assert reading.read(now=now, inbound_id=inbound_id) == ""
    reading.sweep(now=now + timedelta(minutes=1))
    row = Inbound.objects.get()
    assert (row.state, row.attempts, bytes(row.raw)[:7]) == ("failed", 3, b"Subject")


def test_one_message_that_fails_does_not_stop_the_others(now: datetime, monkeypatch) -> None:
    verified_domain()
    for n in range(3):
        raw = f"Subject: {n}\r\n\r\nhello".encode()
        receiving.keep(now=now, came=receiving.arrival(source="smtp", raw=raw, mail_from="", rcpt_to=OURS))
    really = read_report
    monkeypatch.setattr(reading, "read_report", lambda raw, **k: 1 / 0 if b": 0" in raw else really(raw, **k))
    assert reading.sweep(now=now + timedelta(minutes=1)) == 2
    assert sorted(Inbound.objects.values_list("state", flat=True)) == ["done", "done", "new"]
    assert "ZeroDivisionError" in Inbound.objects.get(state="new").note


@pytest.mark.parametrize("where", ["sending.inbound.reading.read_report", "sending.inbound.outside_reports.attached"])
def test_a_message_that_takes_too_long_is_given_up(now: datetime, monkeypatch, where: str) -> None:
    verified_domain()
    monkeypatch.setattr(reading, "SECONDS", 0.2)

    def endless(*_, **__):
        while True:
            pass

    monkeypatch.setattr(where, endless)
    with pytest.raises(TakesTooLong):
        take_in(b"Subject: x\r\n\r\nhello", rcpt=OURS, now=now)
    assert "more than 0.2 seconds" in Inbound.objects.get().note


def test_two_readers_at_once_act_once(now: datetime) -> None:
    """The second finds the row locked and leaves it alone."""
    mailing = campaign(now)
    (delivery,) = accepted(mailing, at=now - LATER)
    letter = written(mailing, delivery, now=now)
    came = receiving.arrival(source="smtp", raw=bounce_of(letter, now=now), mail_from="", rcpt_to=letter.mail_from)
    inbound_id = receiving.keep(now=now, came=came)
    assert inbound_id is not None
    kinds: list[str] = []

    def work() -> None:
        kinds.append(reading.read(now=now, inbound_id=inbound_id))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kinds) == ["", "", "bounce"]


# -- The process -------------------------------------------------------------------------------------------------------


def test_the_process_says_where_it_listens_and_ends_in_order_when_told_to_stop() -> None:
    command = [sys.executable, "manage.py", "inbound", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("Listening for reports and replies on 127.0.0.1:")
        port = int(said.rpartition(":")[2].rstrip(".\n"))
        with smtplib.SMTP("127.0.0.1", port) as client:
            assert client.ehlo()[0] == 250
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
