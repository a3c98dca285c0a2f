"""Two months of a sender's reputation: what the pages of deliverability, limits, warm-up and reports have to read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

PROVIDERS = "google microsoft m365 yahoo apple gmx comcast orange tonline mimecast proofpoint barracuda".split()
SMALL = [f"other:site{number}.example" for number in range(40)]
KINDS = {"accepted": 900, "bounced_hard": 6, "complained": 1, "unsubscribed": 3, "clicked": 40, "opened": 200}
DAYS = 60
REPORTS, ROWS_OF_A_REPORT = 300, 40


def remember(mailings: Sequence[int], *, now: datetime) -> None:
    """Campaigns behind these mailings, begun over sixty days, with their counters; budgets and their days; what
    receivers and providers told."""
    _campaigns(mailings, now)
    _days(now)
    _told(now)


def _campaigns(mailings: Sequence[int], now: datetime) -> None:
    from campaigns.models import Campaign
    from sending.models import Mailing, MailingCount

    rows = list(Mailing.objects.filter(pk__in=mailings))
    for place, row in enumerate(rows):
        row.launched_at = now - timedelta(days=place % DAYS, hours=place % 20)
    Mailing.objects.bulk_update(rows, ["launched_at"], batch_size=500)
    Campaign.objects.bulk_create(
        (
            Campaign(
                name=row.name,
                state="launched",
                mailing=row,
                sending_domain_id=row.sending_domain_id,
                pool_id=row.pool_id,
                from_address=row.from_address,
            )
            for row in rows
        ),
        batch_size=500,
    )
    MailingCount.objects.bulk_create(
        (
            MailingCount(mailing=row, wave=0, provider=provider, kind=kind, n=n)
            for row in rows
            for provider in PROVIDERS
            for kind, n in KINDS.items()
        ),
        ignore_conflicts=True,
        batch_size=5000,
    )


def _days(now: datetime) -> None:
    from reputation.models import Budget, DayTally, SendingAddress, SendingDomain

    scopes = [("ip", ip) for ip in SendingAddress.objects.values_list("ip", flat=True)]
    scopes += [("dkim_domain", name) for name in SendingDomain.objects.values_list("name", flat=True)]
    Budget.objects.bulk_create(
        (Budget(kind=kind, scope=scope, provider=at) for kind, scope in scopes for at in [*PROVIDERS, *SMALL]),
        ignore_conflicts=True,
        batch_size=2000,
    )
    figures: dict[str, Any] = {"sent": 1000, "accepted": 970, "deferred": 20, "bounced": 10, "complained": 1}
    DayTally.objects.bulk_create(
        (
            DayTally(budget_id=budget, day=(now - timedelta(days=back)).date(), **figures)
            for budget in Budget.objects.values_list("pk", flat=True)
            for back in range(DAYS)
        ),
        ignore_conflicts=True,
        batch_size=5000,
    )


def _told(now: datetime) -> None:
    from reputation.models import DmarcTally, OutsideReport, PostmasterFigure, SendingDomain

    domains = list(SendingDomain.objects.values_list("name", flat=True))
    reports = OutsideReport.objects.bulk_create(
        OutsideReport(
            kind="dmarc", organisation=f"receiver{number % 10}.example", report_id=f"{number}", raw=b"", proven=True,
            domain=domains[number % len(domains)], begins_at=now - timedelta(days=number % DAYS + 1),
            ends_at=now - timedelta(days=number % DAYS), received_at=now, source="mail",
        )
        for number in range(REPORTS)
    )  # fmt: skip
    DmarcTally.objects.bulk_create(
        (
            DmarcTally(
                report=report, source_ip=f"127.0.{row}.1", header_from=report.domain, messages=100, dkim=row % 9 > 0,
                spf=True, disposition="none",
            )
            for report in reports
            for row in range(ROWS_OF_A_REPORT)
        ),
        batch_size=5000,
    )  # fmt: skip
    PostmasterFigure.objects.bulk_create(
        PostmasterFigure(
            source="google", subject=domain, day=(now - timedelta(days=back)).date(), complaints=0.05, taken_at=now
        )
        for domain in domains
        for back in range(DAYS)
    )
