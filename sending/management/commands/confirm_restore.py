"""manage.py confirm_restore: a person has looked at a restored or moved installation, and sending may go on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audiences.models import Suppression
from reputation.stop_sending import resume_sending
from sending import boot_identity
from sending.models import Batch, Mailing, Outcome


class Command(BaseCommand):
    help = "Say what differs between this database and this machine, and with --yes let sending go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="Confirm, and resume sending.")

    def handle(self, *args: Any, yes: bool, **options: Any) -> None:
        wrong = boot_identity.check()
        if not wrong:
            self.stdout.write("This database is the one that this machine sent with last. Nothing is to be confirmed.")
            return
        self.stdout.write(f"{wrong}.\n{newest()}")
        for mailing in Mailing.objects.filter(state=Mailing.State.HELD):
            self.stdout.write(f"Held: “{mailing.name}”. Whoever got it since the backup gets it again if it goes on.")
        if not yes:
            self.stdout.write("Stop what must not go on, then: manage.py confirm_restore --yes")
            return
        before = Suppression.objects.count()
        boot_identity.confirm()
        self.stdout.write(f"Suppressed again since the backup: {Suppression.objects.count() - before}.")
        resume_sending()
        self.stdout.write("Confirmed. Sending goes on; campaigns that are held wait for a person, each by itself.")


def newest() -> str:
    """The newest facts the database has, in words."""
    outcome = Outcome.objects.order_by("-at").values_list("at", flat=True).first()
    batch = Batch.objects.order_by("-id").values_list("due_at", flat=True).first()
    said = [f"{what} {at:%Y-%m-%d %H:%M} UTC" for what, at in (("outcome", outcome), ("batch", batch)) if at]
    return f"The newest here: {', '.join(said)}." if said else "Nothing was ever sent from this database."
