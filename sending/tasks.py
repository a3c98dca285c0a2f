"""When and where; what is in the modules named."""

from celery import shared_task
from django.utils import timezone

from sending import alerts, partitions, plan, sweeping, unnamed_visits
from sending import transmit as transmitting
from sending import try_mailboxes as mailboxes
from sending import undo_imports as undoing
from sending.doors import mailing_links
from sending.inbound import reading


@shared_task(ignore_result=True)
def transmit(batch_id: int) -> None:
    """Send one planned batch; harmless when it is not there any more."""
    transmitting.transmit(now=timezone.now(), batch_id=batch_id)  # clock: entry


@shared_task(ignore_result=True)
def sweep() -> None:
    """Take over what dead workers held, wake what was forgotten, complete what is finished."""
    sweeping.sweep(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def tick() -> None:
    """Plan what may start now."""
    plan.tick(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def read_inbound(inbound_id: int) -> None:
    """Read one message or webhook call that came in; harmless when it was read already."""
    reading.read(now=timezone.now(), inbound_id=inbound_id)  # clock: entry


@shared_task(ignore_result=True)
def sweep_inbound() -> None:
    """Read what came in and no wake-up reached."""
    reading.sweep(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def keep_partitions() -> None:
    """Make the parts of the tables that will be needed, drop those that are old, and salts with them."""
    now = timezone.now()  # clock: entry
    partitions.keep(now=now)
    unnamed_visits.throw_salts_away(now=now)


@shared_task(ignore_result=True)
def tell_admins() -> None:
    """Mail, and call a webhook, about what broke or was mended."""
    alerts.tell(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def mail_what_recipients_asked() -> None:
    """Mail the links that recipients asked for on our pages."""
    mailing_links.mail_due(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def undo_imports() -> None:
    """Take back the imports that somebody wants undone."""
    undoing.undo_due(now=timezone.now())  # clock: entry


@shared_task(ignore_result=True)
def try_mailboxes() -> None:
    """Ask whether our own domains take mail for postmaster, abuse and bounces."""
    mailboxes.check_all(now=timezone.now())  # clock: entry
