"""Take in what receivers report about our mail: by upload or by mail, each report once."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from reputation.catalogue import registrable
from reputation.models import DmarcTally, OutsideReport, RefusedFile, SendingDomain, TlsTally
from reputation.pure.report_files import LARGEST, FileReport, Refused, may_sign, provider_named, read_file

KEEP = timedelta(days=400)
UNPROVEN = "Its writer did not sign it: shown, not counted."
# Clocks and zones differ.
AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file, in a sentence for people. `report` is the row, also when it was there before."""

    words: str
    report: OutsideReport | None = None
    is_new: bool = False


def take(*, now: datetime, data: bytes, source: str, signers: Collection[str] = ()) -> Taken:
    """Read a file and keep what it says. Raises Refused with the reason; told twice, it counts once.

    `signers`: the domains that signed the mail it came by. Without its writer among them a report by mail is kept and
    shown, but not counted; proven later (signed, or uploaded by a person), it takes the place of the one before.
    """
    found = _about_us(read_file(data))
    if found.ends_at > now + AHEAD:
        raise Refused("The report is about days that have not been yet.")
    signer = _writer_among(signers, found)
    proven = source == "upload" or bool(signer)
    with transaction.atomic():
        if proven:
            _same(found).filter(proven=False).delete()
        row, is_new = OutsideReport.objects.get_or_create(
            kind=found.kind,
            organisation=found.organisation,
            report_id=found.report_id,
            domain=found.domain,
            defaults={
                "provider": provider_named(found.organisation),
                "begins_at": found.begins_at,
                "ends_at": found.ends_at,
                "received_at": now,
                "source": source,
                "proven": proven,
                "signed_by": signer,
                "raw": data,
            },
        )
        if is_new:
            _keep_rows(row, found)
    words = _sentence(found, is_new)
    return Taken(words if proven or not is_new else f"{words} {UNPROVEN}", row, is_new)


def _same(found: FileReport) -> QuerySet[OutsideReport]:
    return OutsideReport.objects.filter(
        kind=found.kind, organisation=found.organisation, report_id=found.report_id, domain=found.domain
    )


def _writer_among(signers: Collection[str], found: FileReport) -> str:
    """The signer that proves who wrote it, aligned as in DMARC (by what somebody registered); empty when none does."""
    allowed = {registrable(name) for name in may_sign(found)}
    return next((name for name in signers if registrable(name) in allowed), "")


def upload(*, now: datetime, name: str, data: bytes) -> Taken:
    """The same for a file somebody chose. What cannot be read is kept as it came, unless it is too large to be."""
    try:
        return take(now=now, data=data, source="upload")
    except Refused as refusal:
        words = f"{name}: {refusal}"
        if data and len(data) <= LARGEST:
            RefusedFile.objects.create(name=name[:200], reason=str(refusal)[:400], at=now, raw=data)
            words += " The file is kept below."
        return Taken(words)


def prune(*, now: datetime) -> None:
    """Forget reports after 400 days."""
    # By their numbers: to take their rows along, Django would read them with all their files.
    OutsideReport.objects.filter(ends_at__lt=now - KEEP).only("pk").delete()
    RefusedFile.objects.filter(at__lt=now - KEEP).delete()


def _about_us(found: FileReport) -> FileReport:
    """Without rows about others: whoever writes a report by mail could put any number of them in. Raises Refused when
    it is about others as a whole."""
    ours = {name.lower() for pair in SendingDomain.objects.values_list("name", "return_path_host") for name in pair}
    if not _concerns(found.domain, ours):
        raise Refused(f"The report is about {found.domain}, which is no sending domain here, and not above one.")
    dmarc = tuple(row for row in found.dmarc if _concerns(row.header_from or found.domain, ours))
    return replace(found, dmarc=dmarc, tls=tuple(row for row in found.tls if _concerns(row.domain, ours)))


def _concerns(domain: str, ours: Collection[str]) -> bool:
    """A policy is published by our domain or one above it that is still somebody's own, and counts for those below."""
    return any(
        _same_or_below(domain, name) or (_same_or_below(name, domain) and _same_or_below(domain, registrable(name)))
        for name in ours
    )


def _same_or_below(name: str, other: str) -> bool:
    return name == other or name.endswith(f".{other}")


def _keep_rows(row: OutsideReport, found: FileReport) -> None:
    DmarcTally.objects.bulk_create(
        [
            DmarcTally(
                report=row,
                source_ip=one.source_ip,
                header_from=one.header_from or found.domain,
                messages=one.messages,
                dkim=one.dkim,
                spf=one.spf,
                disposition=one.disposition,
            )
            for one in found.dmarc
        ],
        batch_size=1000,
    )
    TlsTally.objects.bulk_create(
        [
            TlsTally(
                report=row,
                domain=one.domain,
                policy=one.policy,
                succeeded=one.succeeded,
                failed=one.failed,
                failures=dict(one.failures),
            )
            for one in found.tls
        ],
        batch_size=1000,
    )


def _sentence(found: FileReport, is_new: bool) -> str:
    what = f"{found.organisation} on {found.domain}, {_days(found.begins_at, found.ends_at)}"
    if not is_new:
        return f"{what}: had come before, and counts once."
    if found.kind == OutsideReport.Kind.TLS:
        failed = sum(row.failed for row in found.tls)
        return f"{what}: {_n(sum(row.succeeded for row in found.tls) + failed, 'session')}, {failed:,} failed."
    passed = sum(row.messages for row in found.dmarc if row.passed)
    return f"{what}: {_n(_sum(found), 'message')}, {_sum(found) - passed:,} failed."


def _sum(found: FileReport) -> int:
    return sum(row.messages for row in found.dmarc)


def _n(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _days(begins_at: datetime, ends_at: datetime) -> str:
    first, last = begins_at.date(), max(begins_at, ends_at - timedelta(seconds=1)).date()
    return f"{first}" if first == last else f"{first} to {last}"
