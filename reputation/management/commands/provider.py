"""manage.py provider jane@example.com … [--json]: which provider, by what evidence, with which limits and why."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import idna
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reputation import recipients
from reputation.catalogue import catalogue
from reputation.explaining import ORDER, as_json, evidence_of, spending_at
from reputation.models import RecipientDomain
from reputation.workspace import zone


class Command(BaseCommand):
    help = "Say which provider takes the mail of addresses or domains, how we know, and what our limits there are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        now, local = timezone.now(), zone()  # clock: entry
        for address in options["addresses"]:
            row = recipients.lookup(now=now, domain=_domain(address))
            if options["json"]:
                self.stdout.write(json.dumps(as_json(address, row, now=now, zone=local), ensure_ascii=False))
            else:
                self._tell(address, row, now, local)

    def _tell(self, address: str, row: RecipientDomain, now: datetime, local: ZoneInfo) -> None:
        key, evidence = evidence_of(row)
        provider = catalogue().get(key)
        self.stdout.write(f"{address}: {catalogue().title(key)} ({key}), {row.get_state_display()}")
        self.stdout.write(f"  Evidence: {evidence.sentence}")
        self.stdout.write(f"  MX: {', '.join(row.mx) or row.last_error or 'none'}")
        self.stdout.write(f"  {_looked_up(row, local)}")
        self.stdout.write(f"  Catalogue: [{provider.key}] {provider.source} (mark {provider.mark})")
        self.stdout.write(f"  Limits, each step over the one before: {', '.join(ORDER)}")
        for spending in spending_at(key, domain=row.domain, now=now, zone=local):
            met = "" if spending.exists else " (no budget yet: what the catalogue gives)"
            self.stdout.write(f"  {spending.kind} {spending.scope}{met}")
            for line in spending.sentences:
                self.stdout.write(f"    {line}")
            for name, steps in spending.limits.items():
                if len(steps) > 1:
                    chain = " → ".join(f"{step.value:g} ({step.step}: {step.source})" for step in steps)
                    self.stdout.write(f"    why {name.replace('_', ' ')}: {chain}")


def _looked_up(row: RecipientDomain, local: ZoneInfo) -> str:
    if row.checked_at is None:
        return f"DNS has not answered yet: {row.last_error or 'not asked'}"
    until = f", good until {row.expires_at.astimezone(local):%d %b %H:%M}" if row.expires_at else ""
    failing = f"; asking again failed: {row.last_error}" if row.n_failures else ""
    return f"DNS answered {row.checked_at.astimezone(local):%d %b %H:%M}{until}{failing}"


def _domain(address: str) -> str:
    domain = address.rpartition("@")[2].strip().rstrip(".").lower()
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise CommandError(f"{address} is not an address or a domain.") from None
