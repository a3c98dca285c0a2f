"""Who may be written to: people, lists, consent and suppression."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.fields.json import KT
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from audiences.import_models import Import as Import
from audiences.import_models import ImportedPerson as ImportedPerson
from audiences.import_models import ImportRejection as ImportRejection
from audiences.querysets import MailingListQuerySet, SubscriberQuerySet, SubscriptionQuerySet

ANYWHERE = "*"


def stream_scope(stream: str) -> str:
    """The suppression scope that covers one stream (marketing or transactional)."""
    return f"stream:{stream}"


def list_scope(list_id: int) -> str:
    """The suppression scope that covers one list."""
    return f"list:{list_id}"


class MailingList(models.Model):
    """What people sign up for. `public_name` is what recipients see."""

    class OptIn(models.TextChoices):
        SINGLE = "single", _("Single opt-in")
        DOUBLE = "double", _("Double opt-in")

    class Ground(models.TextChoices):
        """By what right people are written to (Directive 2002/58/EC, Art. 13; CASL, s. 10)."""

        CONSENT = "consent", _("They agreed")
        SALE = "sale", _("They bought from us and could say no")
        INQUIRY = "inquiry", _("They asked us about something")

    name = models.CharField(max_length=120, unique=True)
    public_name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    opt_in = models.CharField(max_length=8, choices=OptIn, default=OptIn.DOUBLE)
    ground = models.CharField(max_length=8, choices=Ground, default=Ground.CONSENT)
    # For whom agreed to nothing: which sale or question, and where they could say no.
    occasion = models.CharField(max_length=300, blank=True)
    wording = models.TextField(blank=True, help_text=_("What people agree to, word for word."))
    wording_version = models.PositiveIntegerField(default=1)
    language = models.CharField(max_length=16, default="en")
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)
    # People who do not exist, to try things out with (sample.py).
    is_sample = models.BooleanField(default=False)

    objects = MailingListQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PersonField(models.Model):
    """A personal field that letters may use as `contact.<key>`."""

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        DATE = "date", _("Date")
        YES_NO = "yes_no", _("Yes or no")
        CHOICE = "choice", _("One of some choices")
        MULTI_CHOICE = "multi_choice", _("Any of some choices")
        URL = "url", _("Web address")
        TIME_ZONE = "time_zone", _("Time zone")

    OF_CHOICES = (Kind.CHOICE, Kind.MULTI_CHOICE)

    key = models.SlugField(max_length=40, unique=True)
    label = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.TEXT)
    # What may be chosen, in this order.
    options = ArrayField(models.CharField(max_length=80), default=list, blank=True, db_default=[])
    example = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


def _begins(field: str) -> models.Index:
    return models.Index(OpClass(Lower(KT(f"fields__{field}")), name="text_pattern_ops"), name=f"subscriber_{field}")


class Subscriber(models.Model):
    """A person we know an address of. `address_key` is the keyed hash that suppressions and deliveries use."""

    email = models.CharField(max_length=320)
    address_key = models.UUIDField(unique=True)
    domain = models.CharField(max_length=253)
    fields = models.JSONField(default=dict, blank=True)
    language = models.CharField(max_length=16, blank=True)
    last_engaged_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = SubscriberQuerySet.as_manager()

    class Meta:
        indexes = [
            # People page: search by the beginning of an address.
            models.Index(OpClass("email", name="text_pattern_ops"), name="subscriber_email_prefix"),
            # The same by the beginning of a name, and by what stands in a field.
            _begins("first_name"),
            _begins("last_name"),
            GinIndex(OpClass(models.F("fields"), name="jsonb_path_ops"), name="subscriber_field_values"),
            # Refresh of recipient domains: which domains do we know people at?
            models.Index(fields=["domain"], name="subscriber_domain"),
        ]

    def __str__(self) -> str:
        return self.email


class Subscription(models.Model):
    """One person on one list: the fold of the consent events, kept as a row."""

    class State(models.TextChoices):
        UNCONFIRMED = "unconfirmed", _("Waiting for confirmation")
        SUBSCRIBED = "subscribed", _("Subscribed")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="subscriptions")
    list = models.ForeignKey(MailingList, on_delete=models.PROTECT, related_name="subscriptions")
    state = models.CharField(max_length=12, choices=State)
    since = models.DateTimeField()
    # The day of the sale or question, where an import said it: a ground that ends counts from it, else from `since`.
    ground_on = models.DateField(null=True, blank=True)
    source = models.CharField(max_length=80, blank=True)
    # Left here for the floor above: a confirmation mail is due until this is set.
    confirmation_queued_at = models.DateTimeField(null=True, blank=True)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "list"], name="one_subscription_per_person_and_list"),
        ]
        indexes = [
            # Audience of a campaign: everybody subscribed to these lists.
            models.Index(fields=["list", "state", "subscriber"], name="subscription_audience"),
            # Who still waits for a confirmation mail?
            models.Index(
                fields=["since"],
                name="subscription_to_confirm",
                condition=models.Q(state="unconfirmed", confirmation_queued_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} on {self.list_id}: {self.state}"


class ConsentEvent(models.Model):
    """Append-only (a trigger refuses UPDATE and DELETE); names the person by keyed hash only."""

    class Kind(models.TextChoices):
        REQUESTED = "requested", _("Asked to subscribe")
        SUBSCRIBED = "subscribed", _("Subscribed (single opt-in)")
        CONFIRMED = "confirmed", _("Confirmed")
        IMPORTED = "imported", _("Imported with consent")
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        RESUBSCRIBED = "resubscribed", _("Took the unsubscription back")
        COMPLAINED = "complained", _("Complained")
        LIFTED = "lifted", _("Suppression lifted by hand")
        ERASED = "erased", _("Erased")
        UNDONE = "undone", _("Import taken back")

    subject_key = models.UUIDField()
    kind = models.CharField(max_length=12, choices=Kind)
    list = models.ForeignKey(MailingList, null=True, on_delete=models.PROTECT, related_name="+")
    basis = models.CharField(max_length=200, blank=True)
    wording_version = models.PositiveIntegerField(null=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["subject_key", "at"], name="consent_history")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d}"


class ConsentEvidence(models.Model):
    """The personal part of a consent event; erasure deletes it and leaves the event."""

    event = models.OneToOneField(ConsentEvent, on_delete=models.DO_NOTHING, related_name="evidence")
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)
    text = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"evidence of {self.event_id}"


class Suppression(models.Model):
    """The one table the gate asks. Scope: `*`, `stream:<name>` or `list:<id>`."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        COMPLAINED = "complained", _("Complained")
        BOUNCED = "bounced", _("Mailbox does not exist")
        MANUAL = "manual", _("Added by hand")
        IMPORTED = "imported", _("Imported as suppressed")
        ERASED = "erased", _("Erased")
        PAUSED = "paused", _("Paused by the person")

    address_key = models.UUIDField()
    scope = models.CharField(max_length=40, default=ANYWHERE)
    reason = models.CharField(max_length=12, choices=Reason)
    source = models.CharField(max_length=120, blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    # Only a pause ends by itself.
    until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            # Also the gate's own index: WHERE address_key = … AND scope IN (…).
            models.UniqueConstraint(fields=["address_key", "scope"], name="one_suppression_per_address_and_scope"),
        ]
        indexes = [
            models.Index(fields=["-created_at"], name="suppression_latest"),
            models.Index(fields=["until"], name="suppression_ends", condition=models.Q(until__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.reason} ({self.scope})"


class MailFrequency(models.Model):
    """Somebody who wants at most one letter in so many days. Nobody else has a row."""

    subscriber = models.OneToOneField(
        Subscriber, on_delete=models.CASCADE, primary_key=True, related_name="mail_frequency"
    )
    days = models.PositiveSmallIntegerField()
    rests_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"one in {self.days} days"


class PrivacyRequest(models.Model):
    """Somebody asked for their data, or to be erased. By the key: it outlives the person."""

    class Kind(models.TextChoices):
        EXPORT = "export", _("Wants their data")
        ERASE = "erase", _("Wants to be erased")

    address_key = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind)
    asked_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    # Nobody: the person, behind the link that was mailed to them.
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["address_key", "kind"], name="one_open_privacy_request", condition=models.Q(answered_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.asked_at:%Y-%m-%d}"


class SoftFailure(models.Model):
    """A campaign that did not reach a mailbox for a soft reason; five of them over a fortnight suppress."""

    address_key = models.UUIDField()
    mailing_ref = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["address_key", "mailing_ref"], name="one_soft_failure_per_mailing"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} in {self.mailing_ref}"


class BulkJob(models.Model):
    """Something done with everybody a search found: people one after the other, by number."""

    class Action(models.TextChoices):
        EXPORT = "export", _("Export")
        ADD = "add", _("Put on a list")
        UNSUBSCRIBE = "unsubscribe", _("Unsubscribe")
        SUPPRESS = "suppress", _("Suppress")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        UNDOING = "undoing", _("Being taken back")
        UNDONE = "undone", _("Taken back")
        # At an error of ours, until a person goes on with it.
        FAILED = "failed", _("Failed")

    action = models.CharField(max_length=12, choices=Action)
    # Who: as audiences.choosing.Chosen says it. What exactly: the list, the ground, the scope.
    chosen = models.JSONField(default=dict)
    terms = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    total = models.PositiveIntegerField(default=0)
    # The last person dealt with, and the last there is: who comes later is not meant.
    at_person = models.BigIntegerField(default=0)
    last_person = models.BigIntegerField(default=0)
    n_done = models.PositiveIntegerField(default=0)
    n_changed = models.PositiveIntegerField(default=0)
    n_left_alone = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"

    @property
    def failed_at_undoing(self) -> bool:
        """It had ended, and stopped while it was taken back."""
        return self.state == self.State.FAILED and self.finished_at is not None

    @property
    def mark(self) -> str:
        """What rows that it wrote name as their source."""
        return f"bulk job {self.pk}"

    @property
    def percent(self) -> int:
        return min(100, 100 * self.n_done // self.total) if self.total else 100


class PersonChange(models.Model):
    """What a colleague did to a person: append-only, by key, so that it outlives the person."""

    address_key = models.UUIDField()
    # Never a value: only what was touched.
    what = models.CharField(max_length=200)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["address_key", "at"], name="changes_of_person")]

    def __str__(self) -> str:
        return f"{self.what} at {self.at:%Y-%m-%d}"


class PersonNote(models.Model):
    """What a colleague wrote down about a person; goes with them."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=1000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return self.text[:40]


class ListAge(models.Model):
    """How many people are subscribed, and how many of them were quiet for a year. A single row."""

    counted_at = models.DateTimeField()
    people = models.PositiveIntegerField()
    quiet = models.PositiveIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="there_is_one_list_age")]

    def __str__(self) -> str:
        return f"{self.quiet} of {self.people}"
