"""When; what is in the modules named."""

from celery import shared_task
from django.utils import timezone

from campaigns import confirmations, link_checks, schedule, standing


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
    """Have the links of letters that wait to be sent asked about: their hosts by blocklists, themselves by us."""
    standing.watch_links(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True, soft_time_limit=240, time_limit=300)
def check_links() -> None:
    """Ask the links of those letters whether they work."""
    link_checks.check_due(now=timezone.now())  # clock: entry
