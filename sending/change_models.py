"""What people and the engine did to a mailing under way."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class MailingChange(models.Model):
    """Who or what changed a mailing, with the reason and the evidence: append-only."""

    class Kind(models.TextChoices):
        RESENT = "resent", _("Sent again to those who were blocked")
        RETRIED = "retried", _("Tried again for those who were not reached in time")
        STOPPED = "stopped", _("Stopped early by the guard")
        RESUMED = "resumed", _("Went on after the guard had stopped it")
        RELEASED = "released", _("The rest was let go after the first part")
        PAUSED = "paused", _("Paused")
        HELD = "held", _("Held")
        WENT_ON = "went_on", _("Went on")
        ENDED = "ended", _("Stopped")
        SPEED = "speed", _("Changed the speed")
        CHOSEN = "chosen", _("Chose the winner of the test")

    mailing = models.ForeignKey("sending.Mailing", on_delete=models.CASCADE, related_name="changes")
    provider = models.CharField(max_length=120, blank=True)  # empty: all of it
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.mailing_id} {self.provider} {self.kind}".strip()
