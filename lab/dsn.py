"""Non-delivery reports in the dialects of the big mailers (RFC 3464 where the dialect follows it, free text where it
does not).
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

CODE_ON_EACH_LINE = re.compile(r"^\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} ?)?")
ENHANCED = re.compile(r"\b([45]\.\d{1,3}\.\d{1,3})\b")


@dataclass(frozen=True)
class Failure:
    """`reply` is the persona's own text; `raw` the message as accepted; `when` and `arrived` in seconds since 1970."""

    host: str
    address: str
    client_ip: str
    sender: str
    recipient: str
    raw: bytes
    message_id: str
    subject: str
    reply: str
    when: float
    arrived: float
    token: str

    @property
    def code(self) -> str:
        return self.reply[:3]

    @property
    def status(self) -> str:
        """The reply's enhanced status; without one, 5.0.0."""
        found = ENHANCED.search(self.reply)
        return "5" + found[1][1:] if found else "5.0.0"

    @property
    def one_line(self) -> str:
        """The reply folded: code, enhanced status when there is one, text."""
        lines = self.reply.split("\n")
        rest = " ".join(CODE_ON_EACH_LINE.sub("", line).strip() for line in lines)
        found = ENHANCED.search(lines[0])
        return " ".join(part for part in (self.code, found[1] if found else "", rest) if part)

    @property
    def date(self) -> str:
        return formatdate(self.when)

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def boundary(self) -> str:
        return f"{self.token}.{int(self.when)}/{self.host}"


def bounce(style: str, failure: Failure) -> bytes:
    """The whole report, CRLF line ends, to be sent from the null sender to `failure.sender`. Raises KeyError for an
    unknown style.
    """
    return STYLES[style](failure)


def _postfix(f: Failure) -> bytes:
    text = (
        f"This is the mail system at host {f.host}.\n\n"
        "I'm sorry to have to inform you that your message could not\nbe delivered to one or more "
        "recipients. It's attached below.\n\n"
        "For further assistance, please send mail to postmaster.\n\n                   The mail system\n\n"
        f"<{f.recipient}>: host {f.host}[{f.address}] said:\n    {f.one_line} (in reply to RCPT TO command)\n"
    )
    fields = (
        f"Reporting-MTA: dns; {f.host}\nX-Postfix-Queue-ID: {f.token.upper()}\nX-Postfix-Sender: rfc822; {f.sender}\n"
        f"Arrival-Date: {formatdate(f.arrived)}\n\n"
        f"Final-Recipient: rfc822; {f.recipient}\nOriginal-Recipient: rfc822;{f.recipient}\nAction: failed\n"
        f"Status: {f.status}\n"
        f"Remote-MTA: dns; {f.host}\nDiagnostic-Code: smtp; {f.one_line}\n"
    )
    original = b"Return-Path: <" + f.sender.encode() + b">\r\n" + f.raw
    outer = _outer(f, f"MAILER-DAEMON@{f.host} (Mail Delivery System)", "Undelivered Mail Returned to Sender")
    return _report(
        f,
        outer,
        [("text/plain; charset=us-ascii", text), ("message/delivery-status", fields)],
        "message/rfc822",
        original,
    )


def _sendmail(f: Failure) -> bytes:
    text = (
        f"The original message was received at {formatdate(f.arrived)}\nfrom [{f.client_ip}]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{f.recipient}>\n    (reason: "
        f"{f.one_line})\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to {f.host}.:\n>>> RCPT "
        f"To:<{f.recipient}>\n<<< {f.one_line}\n"
    )
    fields = (
        f"Reporting-MTA: dns; {f.host}\nReceived-From-MTA: DNS; [{f.client_ip}]\nArrival-Date: "
        f"{formatdate(f.arrived)}\n\n"
        f"Final-Recipient: RFC822; {f.recipient}\nAction: failed\nStatus: {f.status}\n"
        f"Remote-MTA: DNS; {f.host}\nDiagnostic-Code: SMTP; {f.one_line}\nLast-Attempt-Date: {f.date}\n"
    )
    outer = _outer(f, f"Mail Delivery Subsystem <MAILER-DAEMON@{f.host}>", "Returned mail: see transcript for details")
    parts = [("text/plain", text), ("message/delivery-status", fields)]
    return _report(f, outer, parts, "text/rfc822-headers", b"Return-Path: <" + f.sender.encode() + b">\r\n" + f.head)


def _exim(f: Failure) -> bytes:
    body = (
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\n"
        "recipients. This is a permanent error. The following address(es) failed:\n\n"
        f"  {f.recipient}\n    host {f.host} [{f.address}]\n    SMTP error from remote mail server after "
        f"RCPT TO:<{f.recipient}>:\n"
        f"    {f.one_line}\n\n------ This is a copy of the message's headers. ------\n\nReturn-path: <{f.sender}>\n"
    )
    outer = _outer(
        f, f"Mail Delivery System <Mailer-Daemon@{f.host}>", "Mail delivery failed: returning message to sender"
    )
    return _crlf(f"X-Failed-Recipients: {f.recipient}\n{outer}\n{body}") + f.head


def _qmail(f: Failure) -> bytes:
    outer = f"Date: {f.date}\nFrom: MAILER-DAEMON@{f.host}\nTo: {f.sender}\nSubject: failure notice\n"
    body = (
        f"Hi. This is the qmail-send program at {f.host}.\n"
        "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{f.recipient}>:\n{f.address} does not like recipient.\nRemote host said: {f.one_line}\nGiving up "
        f"on {f.address}.\n\n"
        f"--- Below this line is a copy of the message.\n\nReturn-Path: <{f.sender}>\n"
    )
    return _crlf(f"{outer}\n{body}") + f.raw


def _yahoo(f: Failure) -> bytes:
    outer = _outer(f, "MAILER-DAEMON@yahoo.com", "Failure Notice")
    body = (
        "Sorry, we were unable to deliver your message to the following address.\n\n"
        f"<{f.recipient}>:\n{f.one_line}\n\n--- Below this line is a copy of the message.\n\nReturn-Path: "
        f"<{f.sender}>\n"
    )
    return _crlf(f"{outer}\n{body}") + f.raw


def _gmail(f: Failure) -> bytes:
    text = (
        "** Address not found **\n\n"
        f"Your message wasn't delivered to {f.recipient} because the address couldn't be found, or is unable "
        "to receive mail.\n\n"
        f"The response from the remote server was:\n{f.one_line}\n"
    )
    fields = (
        f"Reporting-MTA: dns; googlemail.com\nArrival-Date: {formatdate(f.arrived)}\nX-Original-Message-ID: "
        f"{f.message_id}\n\n"
        f"Final-Recipient: rfc822; {f.recipient}\nAction: failed\nStatus: {f.status}\nRemote-MTA: dns; "
        f"{f.host}. ({f.address})\n"
        f"Diagnostic-Code: smtp; {f.one_line}\nLast-Attempt-Date: {f.date}\n"
    )
    outer = _outer(
        f, "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)"
    )
    outer += f"X-Failed-Recipients: {f.recipient}\nIn-Reply-To: {f.message_id}\nReferences: {f.message_id}\n"
    parts = [("text/plain; charset=UTF-8", text), ("message/delivery-status", fields)]
    return _report(f, outer, parts, "message/rfc822", f.head + b"\r\n")


def _outlook(f: Failure) -> bytes:
    text = (
        "This is an automatically generated Delivery Status Notification.\n\n"
        f"Delivery to the following recipients failed.\n\n       {f.recipient}\n"
    )
    fields = (
        f"Reporting-MTA: dns;{f.host}\nReceived-From-MTA: dns;{f.host}\nArrival-Date: {formatdate(f.arrived)}\n\n"
        f"Final-Recipient: rfc822;{f.recipient}\nAction: failed\nStatus: {f.status}\nDiagnostic-Code: "
        f"smtp;{f.one_line}\n"
    )
    outer = _outer(f, "postmaster@hotmail.com", "Delivery Status Notification (Failure)")
    original = f.head + b"Return-Path: " + f.sender.encode() + b"\r\n\r\n"
    return _report(
        f,
        outer,
        [("text/plain; charset=us-ascii", text), ("message/delivery-status", fields)],
        "message/rfc822",
        original,
    )


def _exchange(f: Failure) -> bytes:
    text = (
        f"Delivery has failed to these recipients or groups:\n\n{f.recipient}\n"
        "The e-mail address you entered couldn't be found. Please check the recipient's e-mail address and "
        "try to resend the message.\n\n"
        f"Diagnostic information for administrators:\n\nGenerating server: {f.host}\n\n{f.recipient}\n"
        f"Remote Server returned '{f.one_line}'\n\nOriginal message headers:\n\n"
        f"{f.head.decode('utf-8', 'replace').replace(chr(13), '')}"
    )
    return _report(
        f, _ndr(f), [("text/plain; charset=utf-8", text), _exchange_fields(f)], "text/rfc822-headers", f.head
    )


def _m365(f: Failure) -> bytes:
    page = (
        f"<html><body><p><b>Your message to {html.escape(f.recipient)} couldn't be delivered.</b></p>"
        f"<p>{html.escape(f.recipient.partition('@')[0])} wasn't found at "
        f"{html.escape(f.recipient.partition('@')[2])}.</p>"
        f"<p>Diagnostic information for administrators:</p><p>Generating server: {html.escape(f.host)}</p>"
        f"<p>Remote server returned '{html.escape(f.one_line)}'</p></body></html>\n"
    )
    outer = _ndr(f) + "X-MS-Exchange-Message-Is-Ndr:\n"
    original = f.head + b"\r\n"
    return _report(f, outer, [("text/html; charset=utf-8", page), _exchange_fields(f)], "message/rfc822", original)


def _exchange_fields(f: Failure) -> tuple[str, str]:
    return "message/delivery-status", (
        f"Reporting-MTA: dns;{f.host}\nReceived-From-MTA: dns;{f.host}\nArrival-Date: {formatdate(f.arrived)}\n\n"
        f"Final-Recipient: rfc822;{f.recipient}\nAction: failed\nStatus: {f.status}\nDiagnostic-Code: "
        f"smtp;{f.one_line}\n"
        f"X-Display-Name: {f.recipient}\n"
    )


def _ndr(f: Failure) -> str:
    outer = _outer(f, f"<postmaster@{f.recipient.partition('@')[2]}>", f"Undeliverable: {f.subject}")
    return f"{outer}In-Reply-To: {f.message_id}\nReferences: {f.message_id}\nContent-Language: en-US\n"


def _outer(f: Failure, author: str, subject: str) -> str:
    return (
        f"Date: {f.date}\nFrom: {author}\nTo: {f.sender}\nSubject: {subject}\nMessage-ID: "
        f"<{f.token}.{int(f.when)}@{f.host}>\n"
        "Auto-Submitted: auto-replied\n"
    )


def _report(f: Failure, outer: str, parts: list[tuple[str, str]], original_type: str, original: bytes) -> bytes:
    content = (
        "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n"
        f'\tboundary="{f.boundary}"\n\n'
    )
    sections = "".join(f"--{f.boundary}\nContent-Type: {kind}\n\n{body}\n" for kind, body in parts)
    last = f"--{f.boundary}\nContent-Type: {original_type}\n\n"
    return _crlf(outer + content + sections + last) + original + _crlf(f"\n--{f.boundary}--\n")


def _crlf(text: str) -> bytes:
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")


STYLES: dict[str, Callable[[Failure], bytes]] = {
    "postfix": _postfix,
    "sendmail": _sendmail,
    "exim": _exim,
    "qmail": _qmail,
    "yahoo": _yahoo,
    "gmail": _gmail,
    "outlook": _outlook,
    "exchange": _exchange,
    "m365": _m365,
}
