"""Our sending domains and addresses: what to publish, what was found, and whether mail may leave.

A domain is *new* until everything required has passed once. Then: *verified*; *unsure* while something could not be
looked up (it goes on for 72 hours after the last pass, warned); *held* once something failed twice, ten minutes apart
or more. A pass of everything makes it verified again, from any state.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import dns.reversename
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from reputation import authentication, blocklists, dkim_keys, findings
from reputation.authentication import FAIL, PASS, UNKNOWN, Key, Subject
from reputation.findings import Check
from reputation.models import DkimKey, Finding, SendingAddress, SendingDomain
from reputation.pure.memory import FAILS_APART
from words import gettext as _

State = SendingDomain.State

UNSURE_FOR = timedelta(hours=72)
CHECK_EVERY = timedelta(hours=1)
# Asked over SMTP, which only the floor above speaks: sending/try_mailboxes.py.
MAILBOXES = ("postmaster", "abuse", "postmaster_bounces", "bounces")


@dataclass(frozen=True, slots=True)
class Record:
    """One DNS record to publish. `name` and `value` as a zone file has them, without quotes or a last dot."""

    name: str
    type: str
    value: str
    purpose: str


def records_to_publish(*, domain: SendingDomain, addresses: Sequence[str]) -> list[Record]:
    """The records a sending domain needs. `addresses`: our own IPs it leaves by; empty behind a relay or an ESP."""
    host = domain.return_path_host
    keys = domain.keys.exclude(state=DkimKey.State.RETIRED).order_by("id")
    records = [
        Record(dkim_keys.record_name(key, domain), "TXT", dkim_keys.record_value(key), "Signs your mail (DKIM)")
        for key in keys
    ]
    if addresses:
        value = authentication.spf_record(sorted(addresses, key=ipaddress.ip_address))
        records.append(Record(host, "TXT", value, "Says which addresses send for you (SPF)"))
    return [
        *records,
        Record(host, "MX", f"10 {inbound_host(domain)}", "Brings bounces back to us"),
        Record(f"_dmarc.{domain.name}", "TXT", "v=DMARC1; p=none", "Says what to do with forged mail (DMARC)"),
    ]


def records_of_address(address: SendingAddress) -> list[Record]:
    """The records a sending address needs; the reverse name is set by whoever gave you the address."""
    reverse = dns.reversename.from_address(address.ip).to_text(omit_final_dot=True)
    forward = "A" if ipaddress.ip_address(address.ip).version == 4 else "AAAA"
    return [
        Record(reverse, "PTR", address.ehlo_name, "The reverse name receivers ask for (PTR)"),
        Record(address.ehlo_name, forward, address.ip, "Leads from the name back to the address"),
    ]


def inbound_host(domain: SendingDomain) -> str:
    """The host that takes bounces: that of PUBLIC_URL; where that is no name, our first EHLO name."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if "." in host and not _is_ip(host):
        return host
    address = SendingAddress.objects.order_by("id").first()
    return address.ehlo_name if address else domain.return_path_host


def check_domain(*, now: datetime, domain_id: int, direct: bool | None = None, switch: bool = False) -> SendingDomain:
    """Look at everything a domain publishes, store the findings and set its state; returns the domain.

    `switch`: let a pending key sign as soon as its record is seen, without the wait of 48 hours.
    `direct`: does mail leave by our own addresses? Then SPF must allow each of them. None: yes, if there are any.
    Raises RuntimeError inside a transaction.

    1. Read the domain, its keys and our addresses. 2. Ask DNS, without a transaction. 3. Store; let a pending key
    sign whose record was seen.
    """
    domain = SendingDomain.objects.get(pk=domain_id)
    ips = [] if direct is False else list(SendingAddress.objects.values_list("ip", flat=True))
    keys = list(domain.keys.exclude(state=DkimKey.State.RETIRED).select_related("domain").order_by("id"))
    checks = authentication.check_domain(_subject(domain, keys, ips)) + _old_keys(now, domain)
    if not keys:
        checks.append(Check("dkim", FAIL, detail=f"{domain.name} has no signing key yet. Make one first."))
    with transaction.atomic():
        SendingDomain.objects.select_for_update(no_key=True).get(pk=domain_id)
        _store(now, checks, domain)
        _set_state(now, domain, checks)
    _note_seen(now, keys, checks, switch=switch)
    domain.refresh_from_db()
    return domain


def check_address(*, now: datetime, address_id: int) -> list[Finding]:
    """Look at reverse name, forward confirmation and EHLO name of an address, and store the findings."""
    address = SendingAddress.objects.get(pk=address_id)
    checks = authentication.check_address(address.ip, address.ehlo_name)
    with transaction.atomic():
        SendingAddress.objects.select_for_update(no_key=True).get(pk=address_id)
        _store(now, checks, address)
    names = [check.name for check in checks]
    return list(address.findings.filter(check_name__in=names).order_by("check_name"))


def may_send(*, now: datetime, domain: SendingDomain) -> tuple[bool, str]:
    """May marketing mail leave from a domain? With a sentence: why not, or a warning, or nothing to say."""
    match domain.state:
        case State.VERIFIED:
            return True, domain.state_reason
        case State.UNSURE if domain.last_pass_at and now - domain.last_pass_at <= UNSURE_FOR:
            until = domain.last_pass_at + UNSURE_FOR
            return True, f"{domain.state_reason} Mail goes on until {until:%d %b %H:%M} UTC."
        case State.UNSURE:
            return False, _("%(name)s could not be checked for 72 hours. %(state_reason)s") % {
                "name": domain.name,
                "state_reason": domain.state_reason,
            }
        case State.HELD:
            return False, _("%(name)s is held: %(state_reason)s") % {
                "name": domain.name,
                "state_reason": domain.state_reason,
            }
    unverified = _("%(name)s has not been verified yet. %(state_reason)s")
    return False, (unverified % {"name": domain.name, "state_reason": domain.state_reason}).strip()


def check_all(*, now: datetime) -> None:
    """Check every domain and address whose turn it is: hourly when all is well, at every call when it is not."""
    trouble = ~Q(state=State.VERIFIED) | Q(first_fail_at__isnull=False)
    stale = Q(checked_at=None) | Q(checked_at__lte=now - CHECK_EVERY)
    for domain_id in SendingDomain.objects.filter(trouble | stale).order_by("id").values_list("id", flat=True):
        check_domain(now=now, domain_id=domain_id)
    recent = Finding.objects.filter(result=PASS, checked_at__gt=now - CHECK_EVERY, address__isnull=False)
    settled = recent.filter(check_name="ptr").values("address")
    for address_id in SendingAddress.objects.exclude(pk__in=settled).order_by("id").values_list("id", flat=True):
        check_address(now=now, address_id=address_id)


def _subject(domain: SendingDomain, keys: Sequence[DkimKey], ips: Sequence[str]) -> Subject:
    # Until one key signs, the pending one is what must be published.
    signing = any(key.state == DkimKey.State.ACTIVE for key in keys)
    return Subject(
        name=domain.name,
        return_path_host=domain.return_path_host,
        inbound_host=inbound_host(domain),
        keys=[
            Key(
                selector=key.selector,
                public_key=key.public_key,
                record=dkim_keys.record_value(key),
                signs=key.state == DkimKey.State.ACTIVE or not signing,
            )
            for key in keys
        ],
        ips=ips,
    )


def _store(now: datetime, checks: Sequence[Check], about: SendingDomain | SendingAddress) -> None:
    """What a check before found and this one did not look for is forgotten; mailboxes and blocklists have rounds of
    their own."""
    looked_for = [*MAILBOXES, *(check.name for check in checks)]
    kept = Q(check_name__in=looked_for) | Q(check_name__startswith=blocklists.PREFIX)
    gone = list(about.findings.exclude(kept).values_list("check_name", flat=True))
    findings.store(now=now, about=about, checks=checks, gone=gone)


def _set_state(now: datetime, domain: SendingDomain, checks: Sequence[Check]) -> None:
    required = [check for check in checks if check.required]
    failed = [check for check in required if check.result == FAIL]
    unknown = [check for check in required if check.result == UNKNOWN]
    values = _failing(now, domain, failed) if failed else _unsure(domain, unknown) if unknown else _passing(now, domain)
    # Compare-and-set: of two checks at once, the second decides anew at its next turn.
    unchanged = SendingDomain.objects.filter(pk=domain.pk, state=domain.state, first_fail_at=domain.first_fail_at)
    unchanged.update(checked_at=now, **values)


def _passing(now: datetime, domain: SendingDomain) -> dict[str, Any]:
    return {
        "state": State.VERIFIED,
        "verified_at": domain.verified_at or now,
        "last_pass_at": now,
        "first_fail_at": None,
        "state_reason": "",
    }


def _unsure(domain: SendingDomain, unknown: Sequence[Check]) -> dict[str, Any]:
    """Nobody knows: what was verified goes on for a while, what was not stays what it is."""
    state = State.UNSURE if domain.state == State.VERIFIED else domain.state
    reason = domain.state_reason if state == State.HELD else _sentence(unknown)
    return {"state": state, "state_reason": reason}


def _failing(now: datetime, domain: SendingDomain, failed: Sequence[Check]) -> dict[str, Any]:
    first = domain.first_fail_at or now
    hold = domain.state in {State.VERIFIED, State.UNSURE} and now - first >= FAILS_APART
    return {"state": State.HELD if hold else domain.state, "first_fail_at": first, "state_reason": _sentence(failed)}


def _sentence(checks: Sequence[Check]) -> str:
    return " ".join(check.detail for check in checks)[:300]


def _note_seen(now: datetime, keys: Sequence[DkimKey], checks: Sequence[Check], *, switch: bool) -> None:
    """What was found of pending keys: they begin to sign; the one before stays published."""
    alone = not any(key.state == DkimKey.State.ACTIVE for key in keys)
    looked = {check.record_name: check.result for check in checks if check.name in {"dkim", "dkim_next"}}
    for key in [key for key in keys if key.state == DkimKey.State.PENDING]:
        result = looked.get(dkim_keys.record_name(key, key.domain), UNKNOWN)
        if result != UNKNOWN:
            dkim_keys.note_seen(now=now, key=key, seen=result == PASS, at_once=switch or alone)


def _old_keys(now: datetime, domain: SendingDomain) -> list[Check]:
    """The key that signed last: its record has to stay for a week, and can go then."""
    key = domain.keys.filter(state=DkimKey.State.RETIRED, retired_at__isnull=False).order_by("-retired_at").first()
    if key is None or key.retired_at is None:
        return []
    until = key.retired_at + dkim_keys.PUBLISHED_FOR
    return [authentication.old_key(domain.name, key.selector, key.public_key, keep=now < until, until=until)]


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
