"""manage.py provider jane@example.com …: which provider, by what evidence, with which limits and why."""

from typing import Any

import idna
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reputation import recipients
from reputation.budgets import explain
from reputation.catalogue import catalogue
from reputation.models import Budget
from reputation.workspace import zone


class Command(BaseCommand):
    help = "Say which provider takes the mail of addresses or domains, and what our budgets there allow."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("addresses", nargs="+", metavar="ADDRESS")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()  # clock: entry
        for address in options["addresses"]:
            row = recipients.lookup(now=now, domain=self._domain(address))
            provider = catalogue().get(row.provider)
            self.stdout.write(
                f"{address}: {catalogue().title(row.provider)} ({row.provider}), {row.get_state_display()}"
            )
            self.stdout.write(f"  MX: {', '.join(row.mx) or row.last_error or 'none'}")
            self.stdout.write(f"  Catalogue: [{provider.key}] {provider.source} (mark {provider.mark})")
            budgets = Budget.objects.filter(provider=row.provider).select_related("warmup").order_by("kind", "scope")
            for budget in budgets:
                self.stdout.write(f"  {budget.get_kind_display()} {budget.scope}")
                for line in explain(budget, now=now, zone=zone()):
                    self.stdout.write(f"    {line}")
            if not budgets:
                self.stdout.write("  No budget yet: nothing has been planned for this provider.")

    def _domain(self, address: str) -> str:
        domain = address.rpartition("@")[2].strip().rstrip(".").lower()
        try:
            return idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            raise CommandError(f"{address} is not an address or a domain.") from None
