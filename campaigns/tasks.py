"""When; what is in the modules named."""

from celery import shared_task
from django.utils import timezone

from campaigns import confirmations, schedule, standing


@shared_task(ignore_result=True, soft_time_limit=900, time_limit=960)
def promote_due() -> None:
    """Launch the campaigns whose time has come."""
    schedule.promote_due(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def send_confirmations() -> None:
    """Queue the mails that ask to confirm a subscription."""
    confirmations.send_confirmations(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def watch_links() -> None:
    """Have blocklists asked about the hosts in letters that wait to be sent."""
    standing.watch_links(now=timezone.now())  # clock: entry
