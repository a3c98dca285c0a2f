"""Wake-ups of this app: when, not what."""

from celery import shared_task
from django.utils import timezone

from reputation import blocklists, domains, fetching_figures, forgetting, ledger, recipients, warmup
from reputation.workspace import zone


@shared_task
def refresh_domains() -> None:
    recipients.refresh(now=timezone.now())  # clock: entry


@shared_task
def check_sending_domains() -> None:
    domains.check_all(now=timezone.now())  # clock: entry


@shared_task
def ask_blocklists() -> None:
    blocklists.check_all(now=timezone.now())  # clock: entry


@shared_task
def ask_postmasters() -> None:
    fetching_figures.fetch_due(now=timezone.now())  # clock: entry


@shared_task
def prune_findings() -> None:
    forgetting.forget(now=timezone.now())  # clock: entry


@shared_task
def advance_warmup() -> None:
    warmup.advance(now=timezone.now(), zone=zone())  # clock: entry


@shared_task
def prune_tallies() -> None:
    ledger.prune(now=timezone.now())  # clock: entry
