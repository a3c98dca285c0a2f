"""What reports are made of: counters, and what became known of a delivery after it left."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class MailingCount(models.Model):
    """Counters per mailing × wave × provider × kind, folded in when a batch ends; repairable from the rows."""

    mailing = models.ForeignKey("sending.Mailing", on_delete=models.CASCADE, related_name="counts", db_constraint=False)
    wave = models.SmallIntegerField(default=0)
    provider = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    n = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing", "wave", "provider", "kind"], name="one_count_per_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id} {self.provider} {self.kind}: {self.n}"


class AnswerCount(models.Model):
    """How many people's latest answer is this one, by what it means; folded in as batches end, accepted ones left out.

    Repairable from the outcomes, and made anew from them when a mailing is done.
    """

    mailing = models.ForeignKey(
        "sending.Mailing", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    provider = models.CharField(max_length=120)
    kind = models.CharField(max_length=14)
    reason = models.CharField(max_length=40, blank=True)
    reply_class = models.CharField(max_length=20, blank=True)
    n = models.IntegerField(default=0)
    # One of the texts, as an example.
    reply_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["mailing", "provider", "kind", "reason", "reply_class"], name="one_count_per_answer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id} {self.provider} {self.kind} {self.reply_class}: {self.n}"


class LinkCount(models.Model):
    """How many people clicked each link of a mailing; folded in as visits are written, repairable from the events."""

    mailing = models.ForeignKey(
        "sending.Mailing", on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    link = models.SmallIntegerField()
    n = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailing", "link"], name="one_count_per_link")]

    def __str__(self) -> str:
        return f"{self.mailing_id} link {self.link}: {self.n}"


class Event(models.Model):
    """A later fact about a delivery."""

    class Kind(models.TextChoices):
        BOUNCED = "bounced", _("Bounced later")
        COMPLAINED = "complained", _("Complained")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        OPENED = "opened", _("Opened")
        CLICKED = "clicked", _("Clicked")
        AUTO_REPLIED = "auto_replied", _("Answered automatically")

    mailing = models.ForeignKey(
        "sending.Mailing", on_delete=models.CASCADE, related_name="events", db_constraint=False, db_index=False
    )
    delivery = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    link = models.SmallIntegerField(null=True)
    reply_id = models.BigIntegerField(null=True)
    by_machine = models.BooleanField(default=False)
    # Same key = same fact told twice.
    dedupe = models.UUIDField(null=True, unique=True)

    class Meta:
        indexes = [
            # The people behind a number, in their order; and whether somebody (or a program) was here before.
            models.Index(fields=["mailing", "kind", "delivery", "by_machine", "link"], name="events_of_mailing"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.mailing_id}/{self.delivery}"
