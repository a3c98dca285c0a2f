"""Reports about our mail, out of the files they come in: DMARC aggregate reports (RFC 9990, RFC 7489) and TLS reports
(RFC 8460). Strangers make these files: everything has a limit, and what does not fit is refused with a sentence.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, TypeVar

from lxml import etree

LARGEST = 20 * 1024 * 1024
MOST_ROWS = 100_000
# Nobody's reports cover more than this, or come from before mail had them.
EARLIEST, LONGEST_DAYS = datetime(2012, 1, 1, tzinfo=UTC), 35
_Number = TypeVar("_Number", int, float)


class Refused(Exception):
    """Not a report we can read; the sentence says why, for people."""


@dataclass(frozen=True, slots=True)
class DmarcRow:
    """Messages from one address that were judged alike. `dkim` and `spf`: passed and aligned with the From domain."""

    source_ip: str
    messages: int
    header_from: str
    dkim: bool
    spf: bool
    disposition: str

    @property
    def passed(self) -> bool:
        return self.dkim or self.spf


@dataclass(frozen=True, slots=True)
class TlsRow:
    """Sessions of senders to one of our domains. `failures`: kind → sessions."""

    domain: str
    policy: str
    succeeded: int
    failed: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FileReport:
    """One report. `kind`: dmarc or tls; `organisation` is who wrote it; `domain` is what it is about. `contact`: the
    writer's mail address."""

    kind: str
    organisation: str
    report_id: str
    domain: str
    begins_at: datetime
    ends_at: datetime
    dmarc: tuple[DmarcRow, ...] = ()
    tls: tuple[TlsRow, ...] = ()
    contact: str = ""


def read_file(data: bytes) -> FileReport:
    """The report in a file, packed or not. Raises Refused."""
    if not data.strip():
        raise Refused("The file is empty.")
    text = unpack(data).lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        return read_tls(text)
    if text.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return read_dmarc(text)
    raise Refused("This is neither a DMARC report (XML) nor a TLS report (JSON), packed or not.")


def unpack(data: bytes) -> bytes:
    """What is in a gzip or zip file, else the file itself; at most LARGEST octets before and after."""
    if len(data) > LARGEST:
        raise Refused("The file is larger than 20 MB. No honest report is.")
    try:
        if data.startswith(b"\x1f\x8b"):
            return _gunzip(data)
        if data.startswith(b"PK\x03\x04"):
            return _unzip(data)
    except (zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise Refused("The file is damaged: it can't be unpacked.") from error
    return data


def _gunzip(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    text = stream.decompress(data, LARGEST + 1)
    if len(text) > LARGEST:
        raise Refused("Unpacked, the file is larger than 20 MB. No honest report is.")
    if not stream.eof:
        raise Refused("The file is damaged: its end is missing.")
    return text


def _unzip(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) != 1:
            raise Refused(f"The zip file holds {len(entries)} files. A report comes as one; unpack it and take each.")
        if entries[0].flag_bits & 1:
            raise Refused("The zip file wants a password.")
        with archive.open(entries[0]) as file:
            text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise Refused("Unpacked, the file is larger than 20 MB. No honest report is.")
    return text


# -- DMARC ---------------------------------------------------------------------------------------------------------


def read_dmarc(text: bytes) -> FileReport:
    """An aggregate report's XML, with or without its namespace. Raises Refused."""
    root = _xml(text)
    if _name(root) != "feedback":
        raise Refused(f"This XML is no DMARC report: it begins with <{_name(root)[:40]}>, not <feedback>.")
    about = _one(root, "report_metadata", "The report does not say who wrote it (<report_metadata>).")
    published = _one(root, "policy_published", "The report does not say which policy it is about (<policy_published>).")
    period = _one(about, "date_range", "The report does not say which days it is about (<date_range>).")
    rows = tuple(_dmarc_row(record) for record in _all(root, "record"))
    if len(rows) > MOST_ROWS:
        raise Refused(f"The report has {len(rows):,} rows; {MOST_ROWS:,} are the most we take.")
    return _report(
        "dmarc",
        organisation=_text(about, "org_name") or _text(about, "email"),
        contact=_plain(_text(about, "email")),
        report_id=_text(about, "report_id"),
        domain=_text(published, "domain"),
        begins_at=_instant(_text(period, "begin")),
        ends_at=_instant(_text(period, "end")),
        dmarc=rows,
    )


def _xml(text: bytes) -> Any:
    """The root. A report has no document type, so entities have nowhere to be declared."""
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise Refused("The file declares a document type or entities. Reports do not, and attacks do: not read.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused(f"The XML is damaged: {str(error)[:160]}") from None
    if root.getroottree().docinfo.doctype:
        raise Refused("The file declares a document type. Reports do not, and attacks do: not read.")
    return root


def _dmarc_row(record: Any) -> DmarcRow:
    row = _one(record, "row", "A record of the report has no <row>.")
    judged = _first(row, "policy_evaluated")
    names = _first(record, "identifiers")
    return DmarcRow(
        source_ip=_ip(_text(row, "source_ip")),
        messages=_count(_text(row, "count")),
        header_from=_host(_text(names, "header_from")),
        dkim=_text(judged, "dkim").lower() == "pass",
        spf=_text(judged, "spf").lower() == "pass",
        disposition=_plain(_text(judged, "disposition")).lower()[:20] or "none",
    )


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _all(element: Any, name: str) -> Iterator[Any]:
    return (child for child in element if _name(child) == name)


def _first(element: Any, name: str) -> Any:
    return None if element is None else next(_all(element, name), None)


def _one(element: Any, name: str, else_say: str) -> Any:
    found = _first(element, name)
    if found is None:
        raise Refused(else_say)
    return found


def _text(element: Any, name: str) -> str:
    found = _first(element, name)
    return "" if found is None or found.text is None else str(found.text).strip()


# -- TLS -----------------------------------------------------------------------------------------------------------


def read_tls(text: bytes) -> FileReport:
    """A TLS report's JSON. Raises Refused."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("The JSON is damaged.") from None
    if not isinstance(body, dict) or not isinstance(body.get("policies"), list):
        raise Refused("This JSON is no TLS report: it has no list of policies.")
    if len(body["policies"]) > MOST_ROWS:
        raise Refused(f"The report has {len(body['policies']):,} policies; {MOST_ROWS:,} are the most we take.")
    period = _dict(body.get("date-range"))
    rows = tuple(_tls_row(_dict(policy)) for policy in body["policies"])
    return _report(
        "tls",
        organisation=str(body.get("organization-name") or body.get("contact-info") or ""),
        contact=_plain(str(body.get("contact-info") or "")),
        report_id=str(body.get("report-id") or ""),
        domain=rows[0].domain if rows else "",
        begins_at=_instant(period.get("start-datetime")),
        ends_at=_instant(period.get("end-datetime")),
        tls=rows,
    )


def _tls_row(policy: Mapping[str, Any]) -> TlsRow:
    about, sums = _dict(policy.get("policy")), _dict(policy.get("summary"))
    failures: dict[str, int] = {}
    details = policy.get("failure-details")
    for detail in details if isinstance(details, list) else []:
        given = _dict(detail)
        kind = _plain(str(given.get("result-type") or "unknown"))[:60]
        failures[kind] = failures.get(kind, 0) + _count(given.get("failed-session-count"))
    return TlsRow(
        domain=_host(about.get("policy-domain")),
        policy=_plain(str(about.get("policy-type") or ""))[:40],
        succeeded=_count(sums.get("total-successful-session-count")),
        failed=_count(sums.get("total-failure-session-count")),
        failures=failures,
    )


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# -- What both have ------------------------------------------------------------------------------------------------


def _report(
    kind: str, *, organisation: str, report_id: str, domain: str, begins_at: datetime, ends_at: datetime, **rows: Any
) -> FileReport:
    report = FileReport(kind, _plain(organisation), _plain(report_id), _host(domain), begins_at, ends_at, **rows)
    if not report.report_id or not report.organisation:
        raise Refused("The report has no number, or does not say who wrote it: the same could be counted twice.")
    if not report.domain:
        raise Refused("The report does not say which domain it is about.")
    if not EARLIEST <= begins_at <= ends_at or (ends_at - begins_at).days > LONGEST_DAYS:
        raise Refused("The days that the report is about make no sense.")
    return report


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _host(value: Any) -> str:
    return _plain(str(value or "")).lower().rstrip(".")[:255]


def _ip(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError("a zone of one machine's own")
        return str(ip_address(text))
    except ValueError:
        raise Refused(f"“{_plain(text)[:60]}” is no IP address, and a row of the report says so.") from None


def _count(value: Any) -> int:
    number = _parsed(int, value)
    if number is None or not 0 <= number <= 10**12:
        raise Refused(f"“{_plain(str(value))[:60]}” is no number of messages or sessions.")
    return number


def _instant(value: Any) -> datetime:
    """Seconds since 1970, or an ISO date and time; without a zone it is UTC."""
    seconds = _parsed(float, value)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
        found = datetime.fromisoformat(str(value))
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"“{_plain(str(value))[:60]}” is no date.") from None


def _parsed(kind: Callable[[Any], _Number], value: Any) -> _Number | None:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return None


# Whose signature the reports of those bear that do not call themselves by their domain, or sign by another of theirs.
# [P] Our own list: from reports as they come, no page of theirs says it.
_SIGNERS = {
    "google": ("google.com",),
    "microsoft": ("microsoft.com", "outlook.com"),
    "m365": ("microsoft.com", "outlook.com"),
    "yahoo": ("yahoo.com", "yahooinc.com", "aol.com"),
    "comcast": ("comcast.net", "comcast.com"),
    "gmx": ("gmx.net", "gmx.com", "web.de", "mail.com", "1und1.de", "ionos.com", "united-internet.de"),
    "mimecast": ("mimecast.com", "mimecastreport.com"),
    "tonline": ("t-online.de", "telekom.de"),
}
_HOST = re.compile(r"(?=.{4,253}$)[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)


def may_sign(report: FileReport) -> tuple[str, ...]:
    """Domains whose signature proves that a report is by whom it says: the writer's own, theirs where it is a provider
    we know (others may put that name into a report too), else that of the mail address it names."""
    if provider := provider_named(report.organisation):
        return _SIGNERS[provider]
    own = report.organisation.lower()
    if _HOST.fullmatch(own):
        return (own,)
    host = report.contact.rpartition("@")[2].lower()
    return (host,) if _HOST.fullmatch(host) else ()


# Who writes reports, by what a word of the name they give themselves begins with; the first that fits.
_WRITERS = (
    ("google", "google"),
    ("enterprise outlook", "m365"),
    ("outlook", "microsoft"),
    ("hotmail", "microsoft"),
    ("microsoft", "microsoft"),
    ("yahoo", "yahoo"),
    ("aol", "yahoo"),
    ("comcast", "comcast"),
    ("gmx", "gmx"),
    ("web.de", "gmx"),
    ("mail.com", "gmx"),
    ("1&1", "gmx"),
    ("mimecast", "mimecast"),
    ("t-online", "tonline"),
)


def provider_named(organisation: str) -> str:
    """The catalogue's key of the provider that writes under this name; empty for everybody else."""
    name = organisation.lower()
    return next((key for word, key in _WRITERS if re.search(rf"(?<![\w-]){re.escape(word)}", name)), "")
