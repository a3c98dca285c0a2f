"""What we say, to whom, when; and how it went."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Campaign(models.Model):
    """A letter to some lists. Once launched, the page shows the state of its mailing."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SCHEDULED = "scheduled", _("Scheduled")
        LAUNCHED = "launched", _("Launched")
        MISSED = "missed", _("Missed its time")

    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    sending_domain = models.ForeignKey(
        "reputation.SendingDomain",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    from_name = models.CharField(max_length=120, blank=True)
    from_address = models.CharField(max_length=320, blank=True)
    reply_to = models.CharField(max_length=320, blank=True)
    pool = models.ForeignKey(
        "sending.Pool",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    included_lists = models.ManyToManyField("audiences.MailingList", blank=True, related_name="+")
    excluded_lists = models.ManyToManyField("audiences.MailingList", blank=True, related_name="+")
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    # Number of the current revision; every save of the content must name the one it started from.
    rev = models.PositiveIntegerField(default=0)

    # When: the instant, and the wall time and zone a person chose it by.
    scheduled_for = models.DateTimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    wall_time = models.CharField(max_length=16, blank=True)
    # Not before this, even if the time has come: the undo window.
    undo_until = models.DateTimeField(null=True, blank=True)
    scheduled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    problem = models.CharField(max_length=300, blank=True)
    mailing = models.OneToOneField(
        "sending.Mailing",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )

    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="launched") | models.Q(mailing__isnull=False),
                name="a_launched_campaign_has_a_mailing",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="scheduled")
                | models.Q(scheduled_for__isnull=False, undo_until__isnull=False),
                name="a_scheduled_campaign_has_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["scheduled_for"],
                name="campaign_due",
                condition=models.Q(state="scheduled"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Revision(models.Model):
    """The content as somebody saved it; never changed afterwards. `letter` is the source in the way of its `kind`."""

    class Kind(models.TextChoices):
        LETTER = "letter", _("Letter")
        MJML = "mjml", "MJML"
        HTML = "html", "HTML"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=400, blank=True)
    preheader = models.CharField(max_length=400, blank=True)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.LETTER, db_default=Kind.LETTER)
    letter = models.TextField(blank=True)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="revisions_are_numbered_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id}, revision {self.number}"


class Media(models.Model):
    """A picture for letters, served from the public media path under an unguessable name."""

    file = models.FileField(upload_to="letters/")
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True)
    content_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    uploaded_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class HiddenSetup(models.Model):
    """Somebody who does not want to see the steps of setting up any more."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)

    def __str__(self) -> str:
        return str(self.user_id)
