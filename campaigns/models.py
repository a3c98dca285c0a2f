"""What we say, to whom, when; and how it went."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.pure.link_results import Result


class Campaign(models.Model):
    """A letter to some lists. Once launched, the page shows the state of its mailing."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SCHEDULED = "scheduled", _("Scheduled")
        LAUNCHED = "launched", _("Launched")
        MISSED = "missed", _("Missed its time")

    class Review(models.TextChoices):
        NONE = "", "Nobody was asked"
        ASKED = "asked", "Needs review"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Sent back"

    class Whom(models.TextChoices):
        EVERYBODY = "", "everybody"
        NOT_CLICKED = "not_clicked", "who did not click"
        NOT_OPENED = "not_opened", "who did not open"
        CLICKED = "clicked", "who clicked"
        NOT_REACHED = "not_reached", "who did not get"

    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    # What a second person said of it; every change of what is sent takes an approval back.
    review = models.CharField(max_length=8, choices=Review, default=Review.NONE, blank=True, db_default="")
    # The team's own words for finding it again, in lower case.
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True, db_default=[])
    archived_at = models.DateTimeField(null=True, blank=True)
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
    # Of its lists only those who did this with an earlier mailing.
    after = models.ForeignKey("sending.Mailing", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    whom = models.CharField(max_length=12, choices=Whom, default=Whom.EVERYBODY, blank=True, db_default="")
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    # May the pool's next route take what the first cannot? None: as the pool has it.
    overflow = models.BooleanField(null=True, blank=True)
    # Number of the current revision; every save of the content must name the one it started from.
    rev = models.PositiveIntegerField(default=0)

    # When: the instant, and the wall time and zone a person chose it by.
    scheduled_for = models.DateTimeField(null=True, blank=True)
    zone = models.CharField(max_length=64, blank=True)
    wall_time = models.CharField(max_length=16, blank=True)
    # At that wall time where each person lives; the zone is of those of whom nobody knows where.
    local_time = models.BooleanField(default=False, db_default=False)
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
    # How often the links to its report were taken back: a link names the count it was made at.
    links_ended = models.PositiveIntegerField(default=0, db_default=0)
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
            models.CheckConstraint(
                condition=models.Q(whom="", after__isnull=True) | (~models.Q(whom="") & models.Q(after__isnull=False)),
                name="whom_is_about_an_earlier_mailing",
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
    # Its other variants and how the winner is found (`pure.variants`); empty without an A/B test.
    ab_test = models.JSONField(default=dict, blank=True, db_default={})
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    saved_at = models.DateTimeField()
    # Those of our own library that the source names.
    pictures = models.ManyToManyField("campaigns.Media", blank=True, related_name="revisions")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="revisions_are_numbered_once")]

    def __str__(self) -> str:
        return f"{self.campaign_id}, revision {self.number}"


class Remark(models.Model):
    """What somebody of the team said of a campaign: notes, approval, warnings ignored. Append-only."""

    class Kind(models.TextChoices):
        SAID = "said", "wrote a note"
        ASKED = "asked", "asked for approval"
        APPROVED = "approved", "approved it"
        REJECTED = "rejected", "sent it back"
        IGNORED = "ignored", "ignores a warning"
        HEEDED = "heeded", "heeds a warning again"
        UNSHARED = "unshared", "took back the links to the report"

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="remarks")
    kind = models.CharField(max_length=8, choices=Kind)
    # The version they had before them, and of a warning its key and what it said.
    rev = models.PositiveIntegerField()
    about = models.CharField(max_length=80, blank=True)
    said_of = models.CharField(max_length=400, blank=True)
    words = models.TextField(max_length=2000, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    # When those whom it concerns are told by mail; null when they were, or nobody is.
    mail_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["mail_due_at"], name="remark_to_tell", condition=models.Q(mail_due_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.kind}"


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


class LinkCheck(models.Model):
    """An address that letters link to, and what came of asking it. `result` until then is `waiting`."""

    MOST_CHARACTERS = 600

    url = models.CharField(max_length=MOST_CHARACTERS, unique=True)
    result = models.CharField(max_length=8, default=Result.WAITING.value, choices=[(one, one) for one in Result])
    # The last answer's status, or else `pure.link_results.Why`.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    why = models.CharField(max_length=12, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField()
    wanted_until = models.DateTimeField()

    class Meta:
        # check_due: whose turn it is.
        indexes = [models.Index(fields=["due_at"], name="link_to_check")]

    def __str__(self) -> str:
        return f"{self.url} ({self.result})"


class SavedView(models.Model):
    """A look at the list of campaigns that somebody keeps; `query` is the part of the address that makes it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.TextField()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="a_view_has_a_name_of_its_own")]

    def __str__(self) -> str:
        return self.name


class HiddenSetup(models.Model):
    """Somebody who does not want to see the steps of setting up any more."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)

    def __str__(self) -> str:
        return str(self.user_id)
