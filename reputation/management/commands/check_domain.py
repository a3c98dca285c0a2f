"""manage.py check_domain news.example.com: look at DNS now and say what was found."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from reputation import domains
from reputation.models import SendingDomain

MARKS = {"pass": "ok  ", "fail": "FAIL", "unknown": "?   "}


class Command(BaseCommand):
    help = "Check what a sending domain publishes, and set its state."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The domain, as in news.example.com")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()  # clock: entry
        domain = SendingDomain.objects.filter(name=options["name"].lower().rstrip(".")).first()
        if domain is None:
            known = ", ".join(SendingDomain.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no sending domain {options['name']}. There are: {known}.")
        domain = domains.check_domain(now=now, domain_id=domain.pk)
        for finding in domain.findings.order_by("-required", "check_name"):
            self.stdout.write(f"{MARKS[finding.result]} {finding.check_name:16} {finding.record_name}")
            if finding.detail:
                self.stdout.write(f"     {finding.detail}")
        allowed, sentence = domains.may_send(now=now, domain=domain)
        self.stdout.write(
            f"{domain.name}: {domain.get_state_display()}. {'May' if allowed else 'May not'} send. {sentence}"
        )
