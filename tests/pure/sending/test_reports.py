"""What inbound messages say."""

# ruff: noqa: E501 - samples stand as receivers write them.

import base64
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reputation.pure.replies import classify
from sending.pure import verp
from sending.pure.reports import read_report

KEYS = {1: b"k" * 32}
OUR_ID = verp.message_id(verp.MessageRef(12, 34), keys=KEYS, key_id=1, domain="mail.example.org")


def message(*, headers: str, body: str) -> bytes:
    return (headers.strip() + "\n\n" + body).replace("\n", "\r\n").encode()


def delivery_report(fields: str, *, explanation: str = "It failed.", original: str = "") -> bytes:
    original = original or f"Message-ID: {OUR_ID}\nSubject: Spring"
    return message(
        headers='From: MAILER-DAEMON@mx.example.net\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"',
        body=f"--b\nContent-Type: text/plain\n\n{explanation}\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.net\n\n{fields}\n\n--b\nContent-Type: message/rfc822\n\n{original}\n\nHello\n--b--\n",
    )


def feedback(fields: str, *, third: str = "") -> bytes:
    third = third or f"Content-Type: message/rfc822\n\nMessage-ID: {OUR_ID}\nSubject: Spring\n\nHello"
    return message(
        headers='Subject: FBL\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"',
        body=f"--b\nContent-Type: text/plain\n\nA report\n--b\nContent-Type: message/feedback-report\n\n{fields}\n\n--b\n{third}\n--b--\n",
    )


def test_a_delivery_report_tells_the_recipient_the_reply_and_the_phase():
    report = read_report(
        delivery_report(
            "Final-Recipient: rfc822; jane@example.net\nAction: failed\nStatus: 5.0.0\n"
            "Diagnostic-Code: smtp; 550 5.1.1 <jane@example.net>:\n User unknown",
            explanation="<jane@example.net>: host mx said: 550 5.1.1 User unknown (in reply to RCPT TO command)",
        )
    )
    (said,) = report.recipients
    assert (report.kind, said.recipient, said.code, said.status, said.phase) == (
        "bounce",
        "jane@example.net",
        550,
        "5.1.1",
        "rcpt",
    )
    assert classify(said.reply, provider="", phase=said.phase).hard
    assert report.original_message_id == OUR_ID
    assert verp.find_message(report.quoted, keys=KEYS) == verp.MessageRef(12, 34)


def test_several_recipients_run_together_are_told_apart():
    report = read_report(
        delivery_report(
            "Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 full\n"
            "Final-Recipient: rfc822; b@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown"
        )
    )
    assert [(said.recipient, said.status) for said in report.recipients] == [
        ("a@example.net", "5.2.2"),
        ("b@example.net", "5.1.1"),
    ]


@pytest.mark.parametrize(
    ("action", "kind"), [("delayed", "delayed"), ("relayed", "none"), ("expanded", "none"), ("delivered", "none")]
)
def test_only_failures_are_bounces(action, kind):
    assert (
        read_report(delivery_report(f"Final-Recipient: rfc822; a@example.net\nAction: {action}\nStatus: 4.0.0")).kind
        == kind
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ("Feedback-Type: abuse\nUser-Agent: JMRP/1.0\nVersion: 1", "complaint"),
        ("Feedback-Type: fraud\nVersion: 1", "complaint"),
        ("Feedback-Type: opt-out\nRemoval-Recipient: <a@example.net>", "unsubscribe"),
        ("Feedback-Type: opt-out-list\nRemoval-Recipient: <a@example.net>", "unsubscribe"),
        ("Feedback-Type: auth-failure\nAuth-Failure: dmarc", "none"),
        ("Feedback-Type: not-spam", "none"),
    ],
)
def test_feedback_types_are_told_apart(fields, kind):
    assert read_report(feedback(fields)).kind == kind


@pytest.mark.parametrize(
    "third",
    [
        f"Content-Type: text/rfc822-headers\n\nMessage-ID: {OUR_ID}\nSubject: Spring",
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(f"Message-ID: {OUR_ID}\nSubject: Spring\n\nHello".encode()).decode(),
    ],
)
def test_an_anonymised_complaint_still_names_the_message(third):
    report = read_report(feedback("Feedback-Type: abuse\nVersion: 1", third=third))
    assert report.recipients == ()
    assert verp.find_message(report.quoted, keys=KEYS) == verp.MessageRef(12, 34)


def test_repeated_original_recipients_are_named_once():
    fields = "Feedback-Type: abuse\nOriginal-Rcpt-To: <a@example.net>\nOriginal-Rcpt-To: A@example.net"
    assert [said.recipient for said in read_report(feedback(fields)).recipients] == ["a@example.net"]


BOUNCES = {
    "qmail": "Hi. This is the qmail-send program at example.net.\nI'm afraid I wasn't able to deliver your message to the following "
    "addresses.\n\n<jane@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
    "Return-Path: <us@example.org>\nSubject: 552 5.2.2 full <bob@example.net>\n",
    "exim": "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or "
    "more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n  jane@example.net\n    SMTP error from remote "
    "mail server after RCPT TO:<jane@example.net>:\n    host mx.example.net [192.0.2.1]: 550 5.1.1 User\n    unknown\n\n"
    "------ This is a copy of the message, including all the headers. ------\n\nReturn-path: <us@example.org>\n",
    "exchange": "Your message\n\n  To:      list@example.net\n  Subject: Spring\n\ndid not reach the following recipient(s):\n\n"
    "jane@example.net on Thu, 1 May 2008 10:00:00 +0000\n    The recipient name is not recognized\n",
    "sendmail": "   ----- The following addresses had permanent fatal errors -----\n<jane@example.net>\n\n   ----- Transcript of session follows "
    "-----\n... while talking to mx.example.net.:\n>>> DATA\n<<< 550 5.1.1 <jane@example.net>... User unknown\n"
    "550 5.1.1 <jane@example.net>... User unknown\n<<< 503 5.0.0 Need RCPT (recipient)\n",
}


@pytest.mark.parametrize("dialect", BOUNCES)
def test_bounces_in_free_text_are_read(dialect):
    headers = "From: Mail Delivery System <MAILER-DAEMON@example.net>\nSubject: Delivery failed"
    report = read_report(message(headers=headers, body=BOUNCES[dialect]))
    (said,) = report.recipients
    assert (report.kind, said.recipient) == ("bounce", "jane@example.net")
    assert classify(said.reply, provider="", phase=said.phase).class_ == "unknown"


def test_a_warning_in_free_text_is_no_bounce():
    body = "THIS IS A WARNING MESSAGE ONLY.\nDelivery to the following recipient has been delayed:\n\n  jane@example.net\n\n451 4.3.0 Try later\n"
    report = read_report(message(headers="From: MAILER-DAEMON@example.net\nSubject: Delivery (Delay)", body=body))
    assert report.kind == "delayed"


@pytest.mark.parametrize(
    "headers",
    [
        "Auto-Submitted: auto-replied",
        "X-Autoreply: yes",
        "Precedence: auto_reply",
        "Subject: Out of office: Spring",
        "Subject: Automatic reply: x",
    ],
)
def test_automatic_answers_are_told_from_people(headers):
    report = read_report(message(headers=f"From: Jane <jane@example.net>\n{headers}", body="I am away until Monday."))
    assert (report.kind, report.recipients[0].recipient) == ("auto_reply", "jane@example.net")


def test_a_person_who_writes_is_a_person():
    body = "Thanks! My old address bounced, 550 or so. Could you not deliver it twice?\n> the following address failed: a@example.net\n"
    assert (
        read_report(message(headers="From: Jane <jane@example.net>\nSubject: Re: Delivery failed", body=body)).kind
        == "human"
    )


def test_mail_to_an_unsubscribe_address_unsubscribes():
    raw = message(headers="From: Jane <jane@example.net>\nSubject: unsubscribe", body="")
    assert read_report(raw, rcpt_to="u-abcdef@bounce.example.org").kind == "unsubscribe"


def test_notices_of_ses_by_mail_are_read():
    note = (
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"jane@example.net","status":"5.1.1",'
        '"diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{"commonHeaders":{"messageId":"OUR_ID"}}}'.replace(
            "OUR_ID", OUR_ID
        )
    )
    report = read_report(message(headers="From: no-reply@sns.amazonaws.com\nSubject: Notification", body=note))
    assert (report.kind, report.recipients[0].recipient, report.original_message_id) == (
        "bounce",
        "jane@example.net",
        OUR_ID,
    )


def nested(depth: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (level, level) for level in range(depth)
    )


HOSTILE = {
    "nested 10,000 deep": nested(10_000),
    "messages in messages": b"Content-Type: message/rfc822\n\n" * 20_000,
    "reports in reports": b"Content-Type: message/delivery-status\n\n" * 20_000,
    "20 MB of headers": b"".join(b"X-A%d: b\n" % number for number in range(1_400_000))[: 20 * 2**20],
    "one header of 20 MB": b"Subject: " + b"a" * 20 * 2**20,
    "a header folded 100,000 times": b"Content-Type: multipart/mixed;\n" + b" a=b;\n" * 100_000,
    "a million parts": b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\n" * 1_000_000,
    "a million groups": b'Content-Type: multipart/report; boundary="b"\n\n--b\nContent-Type: message/delivery-status\n\n'
    + b"a: b\n\n" * 1_000_000,
    "a charset that is none": b'From: MAILER-DAEMON@x\nSubject: failed\nContent-Type: text/plain; charset="\xff\x00nope"\n\n550 \xff\xfe <a@example.net>',
    "encoded words without end": b"From: =?utf-8?b?" + b"=?" * 100_000 + b"\n\nx",
    "base64 that is none": b"Content-Transfer-Encoding: base64\nContent-Type: text/plain\n\n" + b"%%%" * 100_000,
    "addresses without end": b"From: MAILER-DAEMON@x\nSubject: failed\n\n" + b"<a@b.example> " * 40_000,
    "at signs": b"From: MAILER-DAEMON@x\nSubject: delivery failed\n\n" + b"@" * 500_000,
    "one line of words": b"From: MAILER-DAEMON@x\nSubject: delivery failed\n\n" + b"delivery to " * 40_000,
    "dashes": b"From: MAILER-DAEMON@x\nSubject: delivery failed\n\n" + (b"-" * 900 + b"\n") * 600,
    "tags": b"From: MAILER-DAEMON@x\nSubject: delivery failed\nContent-Type: text/html\n\n" + b"<br " * 100_000,
    "NUL": b"\0" * 600_000,
    "X-Failed-Recipients without end": b"X-Failed-Recipients: " + b"a@b.example," * 50_000 + b"\n\n550 no",
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_messages_end_soon_and_in_little_memory(name):
    started = time.process_time()
    read_report(HOSTILE[name])
    assert time.process_time() - started < 1
    tracemalloc.start()
    try:
        read_report(HOSTILE[name])
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=2000),
    st.sampled_from(
        ["", "From: MAILER-DAEMON@x\nSubject: failed\n", 'Content-Type: multipart/report; boundary="b"\n\n--b\n']
    ),
)
def test_nothing_that_comes_in_raises(octets, start):
    read_report(start.encode() + octets)


DAEMON = "From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered mail"


@pytest.mark.parametrize(
    ("text", "recipient", "phase", "hard"),
    [
        (
            "<a@shop.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 no such user",
            "a@shop.example",
            "rcpt",
            True,
        ),
        (
            "<a@shop.example>:\n192.0.2.1 failed after I sent the message.\nRemote host said: 550 no such user",
            "a@shop.example",
            "dot",
            False,
        ),
        (
            "a@shop.example\n  hMailServer sent: RCPT TO:<a@shop.example>\n  Remote server replied: 550 Unknown user",
            "a@shop.example",
            "rcpt",
            True,
        ),
        (
            "did not reach the following recipient(s):\n\nc=US;a= ;p=SHOP;o=Harbour;dda:SMTP=a@shop.example; on Fri, 4 Oct 2002\n    The recipient name is not recognized",
            "a@shop.example",
            "rcpt",
            True,
        ),
        (
            "The following address failed:\n\n  an undisclosed address\n    (generated from a@shop.example)",
            "a@shop.example",
            "rcpt",
            False,
        ),
        (
            "   ----- The following addresses had permanent fatal errors -----\n<a@shop.example>\n\n   ----- Transcript of session follows -----\nmail.local: unknown user: a\n554 <a@shop.example>... Service unavailable",
            "a@shop.example",
            "rcpt",
            True,
        ),
        ("Error-for:  a@shop.example\nError-Text: 552 Quota exceeded", "a@shop.example", "report", False),
        ("Local mailbox a@shop.example is unavailable: user not found", "a@shop.example", "rcpt", True),
    ],
)
def test_old_and_rare_servers_are_read(text, recipient, phase, hard):
    report = read_report(message(headers=DAEMON, body=text))
    (said,) = report.recipients
    assert (report.kind, said.recipient, said.phase) == ("bounce", recipient, phase)
    assert classify(said.reply, provider="", phase=said.phase).hard is hard


@pytest.mark.parametrize(
    "subject",
    [
        "Unzustellbar: Rundbrief",
        "Non remis : lettre",
        "Correo no entregado",
        "Mancata consegna del messaggio",
        "Falha na entrega",
        "Onbestelbaar: brief",
        "Недоставленное сообщение",
        "Nedoručitelné: dopis",
        "系统退信",
        "配信不能",
    ],
)
def test_a_bounce_is_known_by_its_subject_in_many_languages(subject):
    encoded = base64.b64encode(subject.encode()).decode()
    report = read_report(
        message(headers=f"From: postmaster@shop.example\nSubject: =?utf-8?b?{encoded}?=", body="<a@shop.example>")
    )
    assert (report.kind, [said.recipient for said in report.recipients]) == ("bounce", ["a@shop.example"])


@pytest.mark.parametrize(
    ("disposition", "kind"),
    [
        ("automatic-action/MDN-sent-automatically; deleted", "bounce"),
        ("automatic-action/MDN-sent-automatically; denied", "bounce"),
        ("manual-action/MDN-sent-manually; displayed", "auto_reply"),
    ],
)
def test_a_mailbox_that_throws_a_message_away_says_so(disposition, kind):
    report = read_report(
        message(
            headers='From: postmaster@shop.example\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=disposition-notification; boundary="b"',
            body="--b\nContent-Type: text/plain\n\nYour message to <a@shop.example> was automatically rejected:\nQuota exceeded\n"
            f"--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@shop.example\nDisposition: {disposition}\n\n--b--\n",
        )
    )
    assert report.kind == kind
    if kind == "bounce":
        (said,) = report.recipients
        assert (said.recipient, classify(said.reply, provider="", phase=said.phase).class_) == (
            "a@shop.example",
            "full",
        )
