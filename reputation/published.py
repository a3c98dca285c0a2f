"""What a domain or an address must publish beside what was found, row by row for a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reputation import blocklists
from reputation.domains import Record, records_of_address, records_to_publish
from reputation.models import Finding, FindingChange, SendingAddress, SendingDomain
from words import gettext as _
from words import marked

# What each check is called, and what its record is for.
NAMES = {
    "dkim": ("DKIM", marked("Signs your mail, so that nobody can pretend to be you")),
    "dkim_next": (marked("Next DKIM key"), marked("Takes over signing as soon as it is seen")),
    "dkim_old": (marked("Last DKIM key"), marked("Letters on their way are still checked with it, for a week")),
    "spf": ("SPF", marked("Says which addresses may send for you")),
    "return_path": (marked("Return path"), marked("Brings bounces back to us")),
    "dmarc": ("DMARC", marked("Tells receivers what to do with forged mail")),
    "soa": (marked("Domain"), marked("The domain is set up in DNS")),
    "soa_return_path": (marked("Bounce host"), marked("The return path’s domain is set up in DNS")),
    "replies": (marked("Answers"), marked("People who answer a letter reach somebody")),
    "bounces": (marked("Bounce address"), marked("The return path’s server takes what comes back")),
    "postmaster": (marked("Postmaster"), marked("Other postmasters can write to you")),
    "abuse": (marked("Abuse"), marked("Complaints about your mail reach you")),
    "postmaster_bounces": (marked("Postmaster of the return path"), marked("Other postmasters can write to you")),
    "dmarc_reports": (marked("DMARC reports"), marked("Tell you who sends in your name")),
    "alignment": (marked("Alignment"), marked("SPF counts for DMARC as well")),
    "tls_rpt": (marked("TLS reports"), marked("Tell you when bounces could not come in encrypted")),
    "mta_sts": ("MTA-STS", marked("Bounces come in encrypted or not at all")),
    "bimi": (marked("Logo (BIMI)"), marked("Your logo beside your letters, in some inboxes")),
    "ptr": (marked("Reverse name"), marked("The name receivers ask for when we call")),
    "forward": (marked("Forward"), marked("The reverse name leads back to the address")),
    "ehlo": (marked("Hello name"), marked("The name we introduce ourselves with leads to the address")),
}
_ORDER = list(NAMES)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact. `tone` ok, bad, wait or idle; `key` names it within the page."""

    key: str
    tone: str
    word: str
    title: str
    purpose: str
    name: str
    type: str
    expected: str
    found: str
    detail: str

    @property
    def icon(self) -> str:
        return {"ok": "circle-check", "bad": "circle-x", "wait": "clock"}.get(self.tone, "circle-dashed")


def rows_of_domain(domain: SendingDomain) -> list[Row]:
    """What was found wrong first, then the rest in the order of importance; records not looked for yet included."""
    ips = list(SendingAddress.objects.values_list("ip", flat=True))
    return _rows(records_to_publish(domain=domain, addresses=ips), _records_only(domain.findings.all()))


def rows_of_address(address: SendingAddress) -> list[Row]:
    return _rows(records_of_address(address), _records_only(address.findings.all()))


@dataclass(frozen=True, slots=True)
class Listing:
    """What one blocklist says. `tone` and `word` as in Row; `more` is where a listing is explained and taken back."""

    tone: str
    word: str
    name: str
    found: str
    detail: str
    more: str

    @property
    def icon(self) -> str:
        return {"ok": "circle-check", "bad": "circle-x", "wait": "alert-triangle"}.get(self.tone, "help")


def listings(findings: Iterable[Finding]) -> list[Listing]:
    """The blocklists that were asked, where we are listed first."""
    rows = [(row, known) for row in findings if (known := blocklists.list_of(row.check_name)) is not None]
    made = [_listing(row, known.name, known.more) for row, known in rows]
    return sorted(made, key=lambda each: (["bad", "wait", "idle", "ok"].index(each.tone), each.name))


def _listing(row: Finding, name: str, more: str) -> Listing:
    if row.result == Finding.Result.PASS:
        tone, word = "ok", "Not listed"
    elif row.result == Finding.Result.FAIL:
        tone, word = ("bad" if row.weight == Finding.Weight.MUST else "wait"), "Listed"
    else:
        tone, word = "idle", "Could not ask"
    return Listing(tone, word, name, "" if tone == "ok" else row.found, "" if tone == "ok" else row.detail, more)


@dataclass(frozen=True, slots=True)
class Sum:
    """Blocklists in a word, for a table."""

    tone: str
    icon: str
    word: str


def sum_of(rows: Sequence[Listing]) -> Sum | None:
    """The worst of them; None when no list was asked."""
    listed = [row for row in rows if row.word == "Listed"]
    if listed:
        bad = any(row.tone == "bad" for row in listed)
        return Sum("bad" if bad else "wait", "circle-x" if bad else "alert-triangle", f"On {len(listed)}")
    if rows and all(row.tone == "idle" for row in rows):
        return Sum("idle", "help", "Could not ask")
    return Sum("ok", "circle-check", "On none") if rows else None


@dataclass(frozen=True, slots=True)
class Change:
    """A result that became another one."""

    at: datetime
    tone: str
    icon: str
    word: str
    title: str
    detail: str


def history(about: SendingDomain | SendingAddress, most: int = 20) -> list[Change]:
    """How results changed, the newest first. A first look changes nothing: the page says above what it found."""
    rows = about.finding_changes.exclude(before="").order_by("-id")[:most]
    return [_change(row) for row in rows]


def _change(row: FindingChange) -> Change:
    tone, icon, word = {
        Finding.Result.PASS.value: ("ok", "circle-check", _("Passes")),
        Finding.Result.FAIL.value: ("bad", "circle-x", _("Fails")),
    }.get(row.after, ("wait", "help", _("Could not look up")))
    return Change(row.at, tone, icon, word, title(row.check_name), row.detail)


def title(check_name: str) -> str:
    """What a check is called in the pages."""
    known = blocklists.list_of(check_name)
    return known.name if known else _(NAMES[check_name][0]) if check_name in NAMES else check_name


def headline(check_name: str, about: str, *, broke: bool) -> str:
    """What happened to a check, in a line: `DMARC of news.example no longer passes`, `192.0.2.1 is on SpamCop`."""
    if blocklists.list_of(check_name) is not None:
        said = _("%(about)s is on %(title)s") if broke else _("%(about)s is no longer on %(title)s")
    else:
        said = _("%(title)s of %(about)s no longer passes") if broke else _("%(title)s of %(about)s passes again")
    return said % {"about": about, "title": title(check_name)}


def _records_only(findings: Iterable[Finding]) -> list[Finding]:
    return [row for row in findings if row.check_name in NAMES]


def _rows(records: Sequence[Record], findings: Iterable[Finding]) -> list[Row]:
    wanted = {(record.name, record.type): record for record in records}
    rows, seen = [], set()
    for finding in sorted(findings, key=lambda found: _ORDER.index(found.check_name)):
        place = (finding.record_name, finding.record_type)
        seen.add(place)
        rows.append(_found(finding, wanted.get(place)))
    rows += [_unseen(record, number) for number, record in enumerate(records) if (record.name, record.type) not in seen]
    return sorted(rows, key=lambda row: row.tone != "bad")


def _found(finding: Finding, record: Record | None) -> Row:
    title, purpose = NAMES[finding.check_name]
    tone, word = _verdict(finding)
    return Row(
        key=finding.check_name,
        tone=tone,
        word=word,
        title=_(title),
        purpose=_(purpose),
        name=finding.record_name,
        type=finding.record_type,
        # What to paste, where we know it word for word.
        expected=record.value if record else finding.expected,
        found=finding.found,
        detail=finding.detail,
    )


def _verdict(finding: Finding) -> tuple[str, str]:
    if finding.result == Finding.Result.PASS:
        return "ok", _("Fine")
    if finding.result == Finding.Result.UNKNOWN:
        return "wait", _("Could not look up")
    if finding.weight == Finding.Weight.TELL:
        return "idle", _("Optional")
    return ("bad", _("Wrong")) if finding.required else ("wait", _("Advice"))


_TITLES = {"MX": marked("Return path")}


def _unseen(record: Record, number: int) -> Row:
    title = record.purpose.rpartition("(")[2].rstrip(")") if "(" in record.purpose else _TITLES.get(record.type, "Name")
    return Row(
        key=f"record{number}",
        tone="idle",
        word=_("Not checked"),
        title=title,
        purpose=record.purpose.partition(" (")[0],
        name=record.name,
        type=record.type,
        expected=record.value,
        found="",
        detail="",
    )
