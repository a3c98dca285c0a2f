"""One message to one person, exactly accounted for.

Hot tables carry no database foreign key to Mailing: each insert would lock one hot row. `Delivery` and `Outcome` are
range-partitioned by mailing, made in SQL by a migration, and therefore `managed = False`.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sending.asked_models import AskedMail as AskedMail
from sending.change_models import MailingChange as MailingChange
from sending.hour_models import LocalHour as LocalHour
from sending.inbound.models import Inbound as Inbound
from sending.process_models import BootIdentity as BootIdentity
from sending.process_models import Tick as Tick
from sending.process_models import Worker as Worker
from sending.pure.split import REST
from sending.report_models import AnswerCount as AnswerCount
from sending.report_models import Event as Event
from sending.report_models import LinkCount as LinkCount
from sending.report_models import MailingCount as MailingCount
from sending.split_models import SplitTest as SplitTest

# Why a batch was taken over whose worker is alive and silent.
STANDS_STILL = "taken over: its worker stands still"


class Stream(models.TextChoices):
    MARKETING = "marketing", _("Marketing")
    TRANSACTIONAL = "transactional", _("Transactional")


class OutcomeKind(models.TextChoices):
    ACCEPTED = "accepted", _("Accepted by the receiver")
    DEFERRED = "deferred", _("Deferred, tried again")
    BOUNCED_HARD = "bounced_hard", _("The mailbox does not exist")
    BOUNCED_SOFT = "bounced_soft", _("Not delivered, tried long enough")
    BOUNCED_POLICY = "bounced_policy", _("Refused by the recipient's rules")
    BLOCKED = "blocked", _("Refused because of us, not of the person")
    REFUSED = "refused", _("We did not send it")
    SKIPPED = "skipped", _("Left out at the last moment")
    UNKNOWN = "unknown", _("The answer was lost; never sent again by itself")


FINAL_KINDS = [kind for kind in OutcomeKind if kind is not OutcomeKind.DEFERRED]


class Route(models.Model):
    """Exactly one egress: a source address, a relay account, or an ESP account."""

    class Kind(models.TextChoices):
        DIRECT = "direct", _("Direct to the recipients' servers")
        RELAY = "relay", _("Through an SMTP relay")
        ESP = "esp", _("Through a provider's API")

    class Security(models.TextChoices):
        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", _("TLS from the start")
        NONE = "none", _("None (only on this machine)")

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind)
    active = models.BooleanField(default=True)
    egress_host = models.CharField(max_length=63, default="main")
    address = models.ForeignKey(
        "reputation.SendingAddress", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    host = models.CharField(max_length=253, blank=True)
    port = models.PositiveIntegerField(null=True, blank=True)
    security = models.CharField(max_length=8, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=200, blank=True)
    password_sealed = models.BinaryField(null=True, blank=True)
    esp = models.CharField(max_length=40, blank=True)
    settings_sealed = models.BinaryField(null=True, blank=True)
    webhook_secret_sealed = models.BinaryField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind="direct") | models.Q(address__isnull=False),
                name="a_direct_route_has_an_address",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Pool(models.Model):
    """An ordered list of routes that a mailing may leave by."""

    name = models.CharField(max_length=80, unique=True)
    # May the next route take what the first cannot? An explicit choice.
    overflow = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class PoolRoute(models.Model):
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, related_name="members")
    route = models.ForeignKey(Route, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField(default=1)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["pool", "route"], name="a_route_is_once_in_a_pool")]

    def __str__(self) -> str:
        return f"{self.position}. {self.route_id}"


class Mailing(models.Model):
    """A campaign (or a day's confirmations) pressed into what sending needs, frozen."""

    class State(models.TextChoices):
        RUNNING = "running", _("Sending")
        PAUSED = "paused", _("Paused")
        HELD = "held", _("Held")
        STOPPED = "stopped", _("Stopped")
        DONE = "done", _("Done")

    name = models.CharField(max_length=200)
    stream = models.CharField(max_length=14, choices=Stream, default=Stream.MARKETING)
    is_test = models.BooleanField(default=False)
    # A day's confirmations take new rows all day; it is done when it is closed and nothing waits.
    is_open = models.BooleanField(default=False)
    # Equal keys are one mailing: launching twice is harmless.
    launch_key = models.CharField(max_length=80, unique=True)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    sending_domain = models.ForeignKey("reputation.SendingDomain", on_delete=models.PROTECT, related_name="+")
    from_address = models.CharField(max_length=320)
    scopes = ArrayField(models.CharField(max_length=40))
    included_lists = ArrayField(models.BigIntegerField(), default=list)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    state_reason = models.CharField(max_length=300, blank=True)
    state_since = models.DateTimeField()
    launched_at = models.DateTimeField()
    deadline = models.DateTimeField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    # May the pool's next route take what the first cannot? None: as the pool has it.
    overflow = models.BooleanField(null=True, blank=True)
    # Which of its messages those get who waited for the winner of its test.
    winner = models.PositiveSmallIntegerField(null=True, blank=True)
    # Opens and clicks are counted without names under this (unnamed_visits.py). None: with names; empty: thrown away.
    visit_salt = models.BinaryField(max_length=32, null=True, editable=False)
    total = models.PositiveIntegerField(default=0)
    n_excluded = models.PositiveIntegerField(default=0)
    # The same by reason.
    excluded_by = models.JSONField(default=dict, blank=True)
    first_sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="mailing_live", condition=~models.Q(state="done"))]

    def __str__(self) -> str:
        return self.name

    @property
    def totals_only(self) -> bool:
        """Opens and clicks say how many, and never who."""
        return self.visit_salt is not None

    def message_of(self, variant: int) -> int:
        """The message of a delivery with this variant; the first stands for a winner that is not known yet."""
        return variant if variant != REST else self.winner or 0


class MailingMessage(models.Model):
    """The compiled message of one variant, as `sending.pure.message.CompiledMessage` JSON."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="messages")
    variant = models.PositiveSmallIntegerField(default=0)
    compiled = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailing", "variant"], name="one_message_per_variant")]

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.variant}"


class Excluded(models.Model):
    """Somebody chosen who is left out, with the reason: the audience always adds up."""

    class Reason(models.TextChoices):
        UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
        UNCONFIRMED = "unconfirmed", _("Has not confirmed yet")
        SUPPRESSED = "suppressed", _("Suppressed: bounced, complained or added by hand")
        EXCLUDED_LIST = "excluded_list", _("On a list that was excluded")
        CONSENT_ENDED = "consent_ended", _("Came too long ago: the ground has ended")
        WANTS_FEWER = "wants_fewer", _("Wants fewer letters, and had one lately")
        BAD_ADDRESS = "bad_address", _("The address cannot be mailed")
        NO_MAIL_DOMAIN = "no_mail_domain", _("The domain does not take mail")
        DUPLICATE = "duplicate", _("Same address as another person")

    mailing = models.ForeignKey(
        Mailing, on_delete=models.CASCADE, related_name="excluded", db_constraint=False, db_index=False
    )
    subscriber_id = models.BigIntegerField()
    reason = models.CharField(max_length=16, choices=Reason)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailing", "subscriber_id"], name="left_out_once_per_mailing")]

    def __str__(self) -> str:
        return f"{self.subscriber_id}: {self.reason}"


class Delivery(models.Model):
    """One person's place in one mailing: written once, never updated."""

    pk = models.CompositePrimaryKey("mailing_id", "id")
    mailing_id = models.BigIntegerField()
    id = models.BigIntegerField()
    wave = models.SmallIntegerField(default=0)
    provider = models.CharField(max_length=120)
    seq = models.IntegerField()
    subscriber_id = models.BigIntegerField()
    address_key = models.UUIDField()
    domain = models.CharField(max_length=253)
    via_list = models.BigIntegerField(null=True)
    rank = models.IntegerField(default=0)
    # The number of its message; REST for whoever waits for the winner of a test.
    variant = models.SmallIntegerField(default=0)
    # Only for test mail: the colleague it goes to, written as the chosen person would get it.
    to_address = models.CharField(max_length=320, null=True)

    class Meta:
        managed = False
        db_table = "sending_delivery"

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.id}"


class MailingLane(models.Model):
    """One provider's part of one wave: how far its range has been handed out."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        PAUSED = "paused", _("Paused by a person")
        HELD = "held", _("Stopped early by the guard")

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="lanes")
    wave = models.SmallIntegerField(default=0)
    provider = models.CharField(max_length=120)
    total = models.IntegerField(default=0)
    next_seq = models.IntegerField(default=1)
    # Nothing above this is handed out.
    release_seq = models.IntegerField(default=0)
    # The size of the random part that goes first, and how many wait behind it until its answers are in (guard.py).
    canary = models.IntegerField(default=0, db_default=0)
    held_back = models.IntegerField(default=0, db_default=0)
    # Of a test: how many places lie in it, and how many wait behind them until the winner is known (split.py).
    tested = models.IntegerField(default=0, db_default=0)
    for_winner = models.IntegerField(default=0, db_default=0)
    # How many wait for the hour of their wave (hours.py).
    for_hour = models.IntegerField(default=0, db_default=0)
    # When a batch was last planned for it: who waited longest comes first.
    last_given_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing", "wave", "provider"], name="one_lane_per_wave_and_provider"),
        ]
        # `line.first`: who of those that wait at a provider was given something longest ago; else the smallest.
        indexes = [
            models.Index(
                models.F("provider"),
                models.F("last_given_at").asc(nulls_first=True),
                models.F("release_seq") - models.F("next_seq"),
                name="lane_waiting",
                condition=models.Q(state="open", next_seq__lte=models.F("release_seq")),
            ),
            models.Index(fields=["mailing"], name="lane_held_back", condition=models.Q(held_back__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.wave}/{self.provider}"


class Batch(models.Model):
    """One connection's worth of messages, and the connection's slot: intent, fence and counters live on this row.

    planned → running → done. Nobody but its owner updates a running row, save takeover (which raises `epoch` first)
    and edits of `gap` and `yield_requested`, one row a statement.
    """

    class Kind(models.TextChoices):
        FRESH = "fresh", _("A range of the lane")
        RETRY = "retry", _("Rows taken back from the requeue")

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")

    mailing = models.ForeignKey(
        Mailing, on_delete=models.CASCADE, related_name="batches", db_constraint=False, db_index=False
    )
    wave = models.SmallIntegerField(default=0)
    route = models.ForeignKey(Route, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    provider = models.CharField(max_length=120)
    stream = models.CharField(max_length=14, choices=Stream, default=Stream.MARKETING)
    kind = models.CharField(max_length=5, choices=Kind)
    lo = models.IntegerField()
    hi = models.IntegerField()
    gap = models.FloatField(help_text=_("Seconds between the final dots of two messages."))
    due_at = models.DateTimeField()
    deadline = models.DateTimeField()
    state = models.CharField(max_length=7, choices=State, default=State.PLANNED)
    # Budgets it spends from, so that the planner reads live batches without joins.
    budget_ids = ArrayField(models.BigIntegerField(), default=list)

    epoch = models.IntegerField(default=0)
    owner = models.BigIntegerField(null=True)
    lease_until = models.DateTimeField(null=True)
    woken_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cursor = models.IntegerField(default=0)
    # The delivery that may be on the wire; NULL when nothing is.
    intent = models.BigIntegerField(null=True)
    intent_attempt = models.SmallIntegerField(null=True)
    intent_token = models.BigIntegerField(null=True)
    last_dot_at = models.DateTimeField(null=True)
    n_sent = models.IntegerField(default=0)
    n_accepted = models.IntegerField(default=0)
    n_deferred = models.IntegerField(default=0)
    n_bounced = models.IntegerField(default=0)
    n_skipped = models.IntegerField(default=0)
    yield_requested = models.BooleanField(default=False)
    end_reason = models.CharField(max_length=120, blank=True)

    class Meta:
        indexes = [
            # The planner and the sweep read live batches; claims go by primary key. Not on columns that a gate writes.
            models.Index(fields=["state"], name="batch_live", condition=~models.Q(state="done")),
            models.Index(fields=["mailing", "provider"], name="batch_of_mailing"),
            # `live.live_batches`: who ended lately. A running row has no entry here: gates update it in place (HOT).
            models.Index(fields=["ended_at"], name="batch_ended", condition=models.Q(ended_at__isnull=False)),
            # And, a handful at most, whose worker may still hold its connection.
            models.Index(fields=["ended_at"], name="batch_ghosts", condition=models.Q(end_reason=STANDS_STILL)),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}: {self.mailing_id}/{self.provider} {self.lo}–{self.hi}"


class SiteShare(models.Model):
    """What a batch may hand over at one recipient domain: taken at its claim, given back when it ends."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    # Also the index for the next claim's question: how much do live batches hold of this site?
    budget = models.ForeignKey("reputation.Budget", on_delete=models.CASCADE, related_name="+", db_constraint=False)
    n = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "budget"], name="one_share_per_batch_and_site")]

    def __str__(self) -> str:
        return f"batch {self.batch_id}: {self.n} of budget {self.budget_id}"


class Requeue(models.Model):
    """The one way back into a queue for a delivery that left its range without a final outcome."""

    class Reason(models.TextChoices):
        DEFERRED = "deferred", _("The receiver asked us to come back")
        PROVIDER_MOVED = "provider_moved", _("Its domain is at another provider now")
        NOT_LOOKED_UP = "not_looked_up", _("Its domain could not be looked up")
        DOMAIN_CAP = "domain_cap", _("Its domain has had enough for now")
        HANDED_BACK = "handed_back", _("Its batch ended early")
        RESEND = "resend", _("Sent again by a person's decision")

    mailing = models.ForeignKey(
        Mailing, on_delete=models.CASCADE, related_name="requeued", db_constraint=False, db_index=False
    )
    delivery = models.BigIntegerField()
    wave = models.SmallIntegerField(default=0)
    provider_now = models.CharField(max_length=120)
    due_at = models.DateTimeField()
    # The attempt that comes next, and how many before it count: what was about us is no try against the message.
    attempt = models.SmallIntegerField(default=1)
    counted = models.SmallIntegerField(default=0)
    first_tried_at = models.DateTimeField(null=True)
    pinned_route = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=16, choices=Reason)
    batch = models.BigIntegerField(null=True)
    position = models.IntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mailing", "delivery"], name="requeued_once_per_delivery"),
        ]
        indexes = [
            # What is due (free rows), of one mailing and of all; and what a batch took, for its claim and takeover.
            models.Index(
                fields=["mailing", "provider_now", "due_at"], name="requeue_due", condition=models.Q(batch=None)
            ),
            models.Index(fields=["provider_now", "due_at"], name="requeue_waiting", condition=models.Q(batch=None)),
            models.Index(fields=["batch"], name="requeue_taken", condition=models.Q(batch__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.delivery} due {self.due_at:%H:%M}"


class Crash(models.Model):
    """How often a process died with this delivery in hand."""

    mailing_id = models.BigIntegerField()
    delivery = models.BigIntegerField()
    n = models.SmallIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailing_id", "delivery"], name="counted_once_per_delivery")]

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.delivery}: {self.n}"


class Reply(models.Model):
    """A receiver's text, personal parts masked, stored once."""

    digest = models.UUIDField(unique=True)
    provider = models.CharField(max_length=120)
    code = models.SmallIntegerField(null=True)
    enhanced = models.CharField(max_length=16, blank=True)
    text = models.CharField(max_length=600)
    phase = models.CharField(max_length=12, blank=True)
    reply_class = models.CharField(max_length=20)
    reply_scope = models.CharField(max_length=32, blank=True)
    rule = models.CharField(max_length=60, blank=True)
    first_seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.text[:60]


class Outcome(models.Model):
    """What became of one attempt: append-only; only `unknown` may be resolved later by evidence."""

    pk = models.CompositePrimaryKey("mailing_id", "delivery", "attempt")
    mailing_id = models.BigIntegerField()
    delivery = models.BigIntegerField()
    attempt = models.SmallIntegerField()
    kind = models.CharField(max_length=14, choices=OutcomeKind)
    reason = models.CharField(max_length=40, null=True)
    reply_id = models.BigIntegerField(null=True)
    route_id = models.BigIntegerField(null=True)
    batch_id = models.BigIntegerField(null=True)
    provider = models.CharField(max_length=120)
    # The receiver's or ESP's own id of the message, where it gives one.
    remote_id = models.CharField(max_length=200, null=True)
    at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "sending_outcome"

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.delivery}#{self.attempt}: {self.kind}"


class LaneSpeed(models.Model):
    """What a message takes on a connection of a route to a provider: a moving mean (`sending.speeds`)."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="+")
    provider = models.CharField(max_length=120)
    seconds = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("route", "provider"), name="one_speed_of_a_lane")]

    def __str__(self) -> str:
        return f"{self.route_id} to {self.provider}: {self.seconds:.3f} s"
