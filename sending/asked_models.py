"""What recipients asked our pages to mail them."""

from django.db import models


class AskedMail(models.Model):
    """A link somebody asked for, mailed to the address it concerns. Gone after two days.

    An address typed by a stranger is kept as its key only; `email` is the new address of somebody who changes theirs.
    """

    class Kind(models.TextChoices):
        LINKS = "links", "The page of choices"
        ADDRESS = "address", "Another address"
        EXPORT = "export", "A copy of their data"
        ERASE = "erase", "Erasure"

    kind = models.CharField(max_length=8, choices=Kind)
    address_key = models.UUIDField()
    subscriber_id = models.BigIntegerField(null=True, blank=True)
    email = models.CharField(max_length=320, blank=True)
    language = models.CharField(max_length=16, blank=True)
    ip = models.GenericIPAddressField(null=True)
    asked_at = models.DateTimeField()
    # None: mailed, or nobody to mail it to.
    due_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["address_key", "asked_at"], name="asked_mail_of_address"),
            models.Index(fields=["ip", "asked_at"], name="asked_mail_from_ip"),
            models.Index(fields=["due_at"], name="asked_mail_due", condition=models.Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.asked_at:%Y-%m-%d}"
