"""Complaints as feedback loops send them (RFC 5965): Yahoo's, Microsoft's JMRP as of June 2026, Validity's Universal
FBL.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

RECIPIENT_FIELDS = re.compile(
    rb"^(to|cc|delivered-to|x-original-to):.*(?:\r\n[ \t].*)*\r\n", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True)
class Complaint:
    """`domain` is the one that signed; `when` and `arrived` in seconds since 1970; `raw` the message as accepted."""

    host: str
    client_ip: str
    sender: str
    recipient: str
    feedback_address: str
    domain: str
    subject: str
    raw: bytes
    when: float
    arrived: float
    token: str

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0] + b"\r\n"


ENVELOPE_SENDERS = {
    "yahoo": "feedback@arf.mail.yahoo.com",
    "jmrp": "staff@hotmail.com",
    "ufbl": "fbl@bounce.mailstream.senderscore.net",
}


def complaint(style: str, c: Complaint) -> bytes:
    """The whole report, CRLF line ends. Raises KeyError for an unknown style."""
    return STYLES[style](c)


def _yahoo(c: Complaint) -> bytes:
    fields = (
        f"Feedback-Type: abuse\nUser-Agent: Yahoo!-Mail-Feedback/2.0\nVersion: 0.1\nOriginal-Mail-From: <{c.sender}>\n"
        f"Original-Rcpt-To: {c.recipient}\nReceived-Date: {formatdate(c.arrived)}\nSource-IP: {c.client_ip}\n"
        f"Reported-Domain: {c.domain}\nAuthentication-Results: mta.mail.yahoo.com; dkim=pass (ok) header.d={c.domain}\n"
    )
    text = "This is an email abuse report for an email message from your domain.\n"
    author = "Yahoo! Mail AntiSpam Feedback <feedback@arf.mail.yahoo.com>"
    return _report(
        c,
        author,
        f"FW: {c.subject}",
        [("text/plain", text), ("message/feedback-report", fields)],
        "message/rfc822",
        c.raw,
    )


def _jmrp(c: Complaint) -> bytes:
    """Since June 2026 nothing in it names the recipient; the source address stands in X-Originating-IP only."""
    fields = "Feedback-Type: abuse\nUser-Agent: JMRP/1.0\nVersion: 1\n"
    text = "An Outlook.com user reported the attached message as junk.\n"
    trace = f"X-Originating-IP: [{c.client_ip}]\nReceived-SPF: Pass (protection.outlook.com) client-ip={c.client_ip};\n"
    head = _crlf(trace) + RECIPIENT_FIELDS.sub(b"", c.head)
    parts = [("text/plain; charset=us-ascii", text), ("message/feedback-report", fields)]
    return _report(
        c, "staff@hotmail.com", "complaint about message from " + c.client_ip, parts, "text/rfc822-headers", head
    )


def _ufbl(c: Complaint) -> bytes:
    hashed = hashlib.md5(c.recipient.encode(), usedforsecurity=False).hexdigest()
    fields = (
        f"Source-Ip: {c.client_ip}\nUser-Agent: ReturnPathFBL/2.0\nOriginal-Rcpt-To: "
        f"{hashed}@{c.recipient.partition('@')[2]}\n"
        f"Reported-Domain: {c.domain}\nOriginal-Mail-From: {c.sender}\nSource: Comcast\nAbuse-Type: complaint\n"
        "Subscription-Link: https://fbl.returnpath.net/manage/subscriptions/1\nFeedback-Type: abuse\nVersion: 1\n"
        f"Arrival-Date: {formatdate(c.arrived)}\n"
    )
    text = f"This is a Comcast Abuse Report for an email message received from domain {c.domain}, IP {c.client_ip}.\n"
    parts = [("text/plain; charset=UTF-8", text), ("message/feedback-report", fields)]
    author = "Comcast FBL Service <feedbackloop@comcastfbl.senderscore.net>"
    return _report(
        c, author, "Comcast Abuse Report", parts, "message/rfc822", RECIPIENT_FIELDS.sub(b"", c.head) + b"\r\n"
    )


def _report(
    c: Complaint, author: str, subject: str, parts: list[tuple[str, str]], original_type: str, original: bytes
) -> bytes:
    boundary = f"report.{c.token}"
    outer = (
        f"Date: {formatdate(c.when)}\nFrom: {author}\nTo: {c.feedback_address}\nSubject: {subject}\n"
        f"Message-ID: <{c.token}.{int(c.when)}.fbl@{c.host}>\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=feedback-report;\n\tboundary="{boundary}"\n\n'
    )
    sections = "".join(f"--{boundary}\nContent-Type: {kind}\n\n{body}\n" for kind, body in parts)
    last = f"--{boundary}\nContent-Type: {original_type}\nContent-Disposition: inline\n\n"
    return _crlf(outer + sections + last) + original + _crlf(f"\n--{boundary}--\n")


def _crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")


STYLES: dict[str, Callable[[Complaint], bytes]] = {"yahoo": _yahoo, "jmrp": _jmrp, "ufbl": _ufbl}
