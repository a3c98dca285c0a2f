"""DATA in one write with MAIL and RCPT (RFC 2920), and every way out of it that must not make a message."""

import socket
from collections.abc import Iterator
from datetime import datetime

import pytest

from sending.smtp import Dialogue, SmtpSession, greet
from sending.transports import ConnectionLost, Letter, Patience
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send
from tests.sending.scripted_receiver import Script, receiving

LETTER = Letter(mail_from="bounce@acme.example", rcpt_to="ada@example.org", content=b"Subject: x\r\n\r\nHello\r\n")
ENVELOPE = b"MAIL FROM:<bounce@acme.example>\r\nRCPT TO:<ada@example.org>\r\n"


class Line:
    """Both ends of a connection whose receiver has greeted. Answers may lie ready before they are asked for."""

    def __init__(self, extensions: bytes = b"250-mx.test\r\n250 PIPELINING\r\n") -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(60)
        patience = Patience(command=60.0, dot=60.0)
        dialogue = Dialogue(ours, host="mx.test", ehlo_name="mail.acme.example", patience=patience)
        self.answers(b"220 mx.test\r\n" + extensions)
        greet(dialogue, patience)
        self.session = SmtpSession(dialogue, patience=patience)
        assert self.said().startswith(b"ehlo")

    def answers(self, data: bytes) -> None:
        self.theirs.sendall(data)

    def said(self) -> bytes:
        return self.theirs.recv(65536)

    def is_closed_in_silence(self) -> bool:
        try:
            return self.said() == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.session.drop()
    made.theirs.close()


def test_all_of_the_offer_leaves_in_one_write_and_the_content_next(line: Line) -> None:
    line.session.offer(LETTER, at_once=True)
    assert line.said() == ENVELOPE + b"DATA\r\n"

    line.answers(b"250 Ok\r\n250 Ok\r\n354 Go ahead\r\n")
    assert line.session.hear_offer() is None and line.session.begin_content() is None
    line.session.send_content(LETTER)
    assert line.said() == LETTER.content + b".\r\n"
    line.answers(b"250 Queued\r\n")
    assert line.session.hear_content().is_positive
    line.session.offer(LETTER)
    assert line.said() == ENVELOPE


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    line = Line(b"250 mx.test\r\n")
    line.session.offer(LETTER, at_once=True)
    assert line.said() == b"MAIL FROM:<bounce@acme.example>\r\n"
    line.answers(b"250 Ok\r\n250 Ok\r\n354 Go ahead\r\n")
    assert line.session.hear_offer() is None and line.session.begin_content() is None
    assert line.said() == b"RCPT TO:<ada@example.org>\r\nDATA\r\n"
    line.session.drop()
    line.theirs.close()


@pytest.mark.parametrize(
    ("answers", "phase", "then"),
    [
        (b"250 Ok\r\n550 No such user\r\n554 No valid recipients\r\n", "rcpt", b"RSET\r\n"),
        (b"550 Not you\r\n503 MAIL first\r\n503 MAIL first\r\n", "mail", b"RSET\r\n"),
        # It wants content for nobody: a lone dot ends that, and is no message (RFC 2920, section 3.1).
        (b"250 Ok\r\n550 No such user\r\n354 Go ahead\r\n554 No valid recipients\r\n", "rcpt", b".\r\nRSET\r\n"),
    ],
)
def test_a_refusal_leaves_the_connection_usable(line: Line, answers: bytes, phase: str, then: bytes) -> None:
    line.session.offer(LETTER, at_once=True)
    line.answers(answers + b"250 Ok\r\n")
    refusal = line.session.hear_offer()
    assert refusal is not None and (refusal.phase, refusal.reply.code) == (phase, 550)

    line.session.take_back()
    assert line.said() == ENVELOPE + b"DATA\r\n" + then


def test_a_receiver_that_refused_the_sender_and_took_the_recipient_gets_no_dot(line: Line) -> None:
    line.session.offer(LETTER, at_once=True)
    line.answers(b"550 Not you\r\n250 Ok\r\n354 Go ahead\r\n")
    refusal = line.session.hear_offer()

    assert refusal is not None and refusal.phase == "mail"
    assert line.said() == ENVELOPE + b"DATA\r\n" and line.is_closed_in_silence()


def test_what_was_refused_is_known_although_the_receiver_hangs_up(line: Line) -> None:
    line.session.offer(LETTER, at_once=True)
    line.answers(b"250 Ok\r\n421 Too many messages\r\n")
    line.theirs.shutdown(socket.SHUT_WR)
    refusal = line.session.hear_offer()

    assert refusal is not None and (refusal.phase, refusal.reply.code) == ("rcpt", 421)
    with pytest.raises(ConnectionLost):
        line.session.take_back()


def test_taking_the_offer_back_says_nothing_that_could_be_content(line: Line) -> None:
    line.session.offer(LETTER, at_once=True)
    line.answers(b"250 Ok\r\n250 Ok\r\n354 Go ahead\r\n")
    assert line.session.hear_offer() is None
    with pytest.raises(ConnectionLost):
        line.session.take_back()

    assert line.said() == ENVELOPE + b"DATA\r\n" and line.is_closed_in_silence()


def test_a_good_bye_is_not_said_as_content_either(line: Line) -> None:
    line.session.offer(LETTER, at_once=True)
    line.answers(b"250 Ok\r\n250 Ok\r\n354 Go ahead\r\n")
    line.session.quit()

    assert line.said() == ENVELOPE + b"DATA\r\n" and line.is_closed_in_silence()


@pytest.mark.usefixtures("engine")
def test_nobody_gets_an_empty_message_from_a_receiver_that_wants_content_for_nobody(now: datetime, settings) -> None:
    mailing = mailing_to(4, now=now, domain="hotmail.com")
    unknown = "550 5.1.1 The email account does not exist"
    script = Script(rcpt=lambda _, to: unknown if to.startswith("reader1@") else "250 Ok", data_for_nobody=True)
    with receiving(script) as receiver:
        settings.SMTP_PORT = receiver.port
        assert send(cut(mailing, now=now), now=now, connections=1) == []

    assert kinds(mailing) == {"accepted": 3, "bounced_hard": 1}
    assert receiver.for_nobody == [b""] and receiver.connections == 1
    assert len(receiver.messages) == 3 and all(receiver.messages.values())
    assert_books_balance(mailing)
