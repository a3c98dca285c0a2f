"""What came in, as it came."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Inbound(models.Model):
    """A message or webhook call that came in, kept raw before anything is read from it."""

    class State(models.TextChoices):
        NEW = "new", _("Not read yet")
        DONE = "done", _("Read")
        FAILED = "failed", _("Could not be read")
        FORWARDED = "forwarded", _("Forwarded to a person")

    source = models.CharField(max_length=40, help_text=_("smtp, pipe or hook:<route>"))
    mail_from = models.CharField(max_length=320, blank=True)
    rcpt_to = models.CharField(max_length=320, blank=True)
    headers = models.JSONField(default=dict, blank=True)
    raw = models.BinaryField()
    digest = models.UUIDField(unique=True)
    received_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    attempts = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=20, blank=True)
    note = models.CharField(max_length=400, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="inbound_to_read", condition=models.Q(state="new")),
            models.Index(fields=["-id"], name="inbound_unread", condition=models.Q(state="failed")),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.received_at:%Y-%m-%d %H:%M} {self.state}"
