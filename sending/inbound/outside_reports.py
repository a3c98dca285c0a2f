"""Mail that brings a receiver's report about our mail (DMARC, TLS) as an attachment: known by its form, kept once,
and counted where its writer signed it."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import Message
from itertools import islice

from reputation import taking_reports
from reputation.pure.report_files import Refused
from sending.inbound.acting import Result
from sending.inbound.signatures import CouldNotAsk, signers
from sending.inbound.time_limits import at_most
from sending.models import Inbound
from sending.pure.mime_parts import MAX_OCTETS, header, octets_of, parse, parts

# receiver!domain!begin!end, as RFC 9990 and RFC 8460 name the file; the subject begins with these words.
_FILE = re.compile(r"^[^!\s]+![^!\s]+!\d+!\d+", re.ASCII)
_SUBJECT = re.compile(r"^\s*(?:Report Domain:|.*\bReport-ID:)", re.IGNORECASE)
_TYPES = {
    "application/gzip",
    "application/x-gzip",
    "application/zip",
    "application/x-zip-compressed",
    "application/octet-stream",
    "application/xml",
    "text/xml",
    "application/tlsrpt+gzip",
    "application/tlsrpt+json",
}


# Three keys, and what a silent name server takes for each: beside the time for the message itself.
SECONDS_OF_DNS = 20.0
# A writer sends one file a mail.
_MOST_FILES = 10
# Keys that DNS does not tell are asked for anew so long; then the report is kept without proof.
_ASKED_FOR, _ASKED_AGAIN = timedelta(hours=6), timedelta(minutes=10)


def read(*, now: datetime, row: Inbound, seconds: float) -> Result | None:
    """None when the message brings no such report. What cannot be read stays with the message, and the reason too.

    `seconds` each for finding the files and for reading them. Raises TakesTooLong.
    """
    raw = bytes(row.raw)
    with at_most(seconds):
        files = list(islice(attached(raw), _MOST_FILES + 1))
    if not files:
        return None
    if int(row.headers.get("size", 0)) > MAX_OCTETS:
        return _refused("The mail is over 512 KB, and its end was not read. Upload the attachment instead.")
    if len(files) > _MOST_FILES:
        return _refused(f"The mail brings more than {_MOST_FILES} files. A report comes as one.")
    try:
        with at_most(SECONDS_OF_DNS):
            signed_by = signers(raw, is_tls_report=b"tlsrpt" in raw[:MAX_OCTETS].lower())
    except CouldNotAsk as problem:
        if now - row.received_at < _ASKED_FOR:
            row.headers = row.headers | {"not_before": (now + _ASKED_AGAIN).isoformat()}
            return Result("outside_report", str(problem), Inbound.State.NEW, again=True)
        signed_by = []
    try:
        with at_most(seconds):
            taken = [taking_reports.take(now=now, data=data, source="mail", signers=signed_by) for data in files]
    except Refused as refusal:
        return _refused(str(refusal))
    return Result("outside_report", " ".join(one.words for one in taken))


def attached(raw: bytes) -> Iterator[bytes]:
    """The files of a mail that says by its subject, its type or their names that they are such reports."""
    message = parse(raw)
    expected = bool(_SUBJECT.match(header(message, "subject"))) or "tlsrpt" in header(message, "content-type").lower()
    for part in parts(message):
        kind = part.get_content_type()
        if kind in _TYPES and (expected or "tlsrpt" in kind or _FILE.match(_name_of(part))):
            data = octets_of(part)
            if isinstance(data, bytes) and data.strip():
                yield data


def _name_of(part: Message) -> str:
    try:
        return str(part.get_filename() or "")
    except (ValueError, LookupError, TypeError):
        return ""


def _refused(words: str) -> Result:
    return Result("outside_report", words, Inbound.State.FAILED)
