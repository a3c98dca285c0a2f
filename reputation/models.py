"""How much our name can bear: domains, addresses, providers, budgets, warm-up, tallies."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from reputation.plan_models import WarmupPlan as WarmupPlan
from reputation.plan_models import WarmupPlanVersion as WarmupPlanVersion
from reputation.report_models import DmarcTally as DmarcTally
from reputation.report_models import OutsideReport as OutsideReport
from reputation.report_models import PostmasterAccess as PostmasterAccess
from reputation.report_models import PostmasterFigure as PostmasterFigure
from reputation.report_models import RefusedFile as RefusedFile
from reputation.report_models import TlsTally as TlsTally


class Workspace(models.Model):
    """The sender whose name is at stake. A single row."""

    name = models.CharField(max_length=120)
    postal_address = models.TextField(blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    language = models.CharField(max_length=16, default="en")
    undo_seconds = models.PositiveSmallIntegerField(default=30)
    missed_grace_minutes = models.PositiveIntegerField(default=60)
    reply_forward_to = models.EmailField(blank=True)
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    totals_only = models.BooleanField(default=False)
    writes_to_canada = models.BooleanField(default=False)
    second_factor_required = models.BooleanField(default=False)
    second_person_sends = models.BooleanField(default=False)
    masks_addresses = models.BooleanField(default=False)
    thresholds = models.JSONField(default=dict, blank=True, help_text="Of the deliverability score, where changed")
    sending_stopped_at = models.DateTimeField(null=True, blank=True)
    sending_stopped_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="there_is_one_workspace"),
            models.CheckConstraint(
                condition=models.Q(undo_seconds__lte=120), name="undo_window_is_two_minutes_at_most"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RecipientDomain(models.Model):
    """What DNS says of a domain people have their mail at. `unknown` = could not be looked up yet: never a bounce."""

    class State(models.TextChoices):
        UNKNOWN = "unknown", _("Not looked up yet")
        OK = "ok", _("Takes mail")
        NO_MAIL = "no_mail", _("Does not take mail")
        NOT_FOUND = "not_found", _("Does not exist")

    domain = models.CharField(max_length=253, primary_key=True)
    state = models.CharField(max_length=10, choices=State, default=State.UNKNOWN)
    provider = models.CharField(max_length=120, default="unknown")
    site = models.CharField(max_length=500, blank=True)
    mx = ArrayField(models.CharField(max_length=253), default=list, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    bad_since = models.DateTimeField(null=True, blank=True)
    n_failures = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="recipient_domain_to_refresh")]

    def __str__(self) -> str:
        return f"{self.domain} ({self.provider})"


class SendingDomain(models.Model):
    """A domain mail is sent from. It sends only after its authentication has passed once."""

    class State(models.TextChoices):
        NEW = "new", _("Not verified yet")
        VERIFIED = "verified", _("Verified")
        UNSURE = "unsure", _("Could not be looked up")
        HELD = "held", _("Held: authentication fails")

    name = models.CharField(max_length=253, unique=True)
    return_path_host = models.CharField(max_length=253)
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    verified_at = models.DateTimeField(null=True, blank=True)
    last_pass_at = models.DateTimeField(null=True, blank=True)
    first_fail_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    state_reason = models.CharField(max_length=300, blank=True)
    # Whoever can open a connection asks its mailboxes again, when they were last asked before this.
    probe_wanted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DkimKey(models.Model):
    """A signing key; the private part is sealed (AES-GCM) and never leaves the server."""

    class State(models.TextChoices):
        PENDING = "pending", _("To be published")
        ACTIVE = "active", _("Signs")
        RETIRED = "retired", _("Published, signs no more")

    domain = models.ForeignKey(SendingDomain, on_delete=models.CASCADE, related_name="keys")
    selector = models.CharField(max_length=63)
    private_key_sealed = models.BinaryField()
    public_key = models.TextField()
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    created_at = models.DateTimeField(db_default=Now())
    # Since when every look found its record, while it waits; and when it stopped to sign.
    seen_since = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="selectors_are_used_once"),
            models.UniqueConstraint(
                fields=["domain"], condition=models.Q(state="active"), name="one_key_signs_for_a_domain"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain_id}"


class SendingAddress(models.Model):
    """One of our IP addresses, with the name it gives in EHLO and the host whose worker may use it."""

    ip = models.GenericIPAddressField(unique=True)
    ehlo_name = models.CharField(max_length=253)
    egress_host = models.CharField(max_length=63, default="main")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["ip"]

    def __str__(self) -> str:
        return self.ip


class LinkHost(models.Model):
    """A host that letters link to, for as long as a campaign may need it: blocklists are asked about it."""

    name = models.CharField(max_length=253, unique=True)
    wanted_until = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Finding(models.Model):
    """One checked fact about a sending domain, an address of ours or a host in letters. Three results always."""

    class Result(models.TextChoices):
        PASS = "pass", _("Pass")
        FAIL = "fail", _("Fail")
        UNKNOWN = "unknown", _("Could not look up")

    class Weight(models.TextChoices):
        MUST = "must", _("Stops campaigns")
        SHOULD = "should", _("Worth a look")
        TELL = "tell", _("For information")

    domain = models.ForeignKey(SendingDomain, null=True, on_delete=models.CASCADE, related_name="findings")
    address = models.ForeignKey(SendingAddress, null=True, on_delete=models.CASCADE, related_name="findings")
    host = models.ForeignKey(LinkHost, null=True, on_delete=models.CASCADE, related_name="findings")
    check_name = models.CharField(max_length=20)
    result = models.CharField(max_length=8, choices=Result)
    record_name = models.CharField(max_length=255, blank=True)
    record_type = models.CharField(max_length=8, blank=True)
    expected = models.TextField(blank=True)
    found = models.TextField(blank=True)
    detail = models.TextField(blank=True)
    # Whether it decides if the domain may send; `weight` is what it means for a campaign.
    required = models.BooleanField(default=True)
    weight = models.CharField(max_length=6, choices=Weight, default=Weight.MUST)
    checked_at = models.DateTimeField()
    # Its memory: since when the result is what it is, when it last passed, since when it fails (what could not be
    # looked up in between changes nothing), and whether the failure was seen twice, far enough apart to be believed.
    since = models.DateTimeField(null=True)
    passed_at = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    confirmed = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["domain", "address", "host", "check_name"], nulls_distinct=False, name="one_finding_per_check"
            ),
            models.CheckConstraint(
                condition=models.Q(domain__isnull=False, address=None, host=None)
                | models.Q(domain=None, address__isnull=False, host=None)
                | models.Q(domain=None, address=None, host__isnull=False),
                name="a_finding_is_about_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.result}"


class FindingChange(models.Model):
    """A result that became another one: append-only, kept for two years."""

    domain = models.ForeignKey(SendingDomain, null=True, on_delete=models.CASCADE, related_name="finding_changes")
    address = models.ForeignKey(SendingAddress, null=True, on_delete=models.CASCADE, related_name="finding_changes")
    check_name = models.CharField(max_length=20)
    at = models.DateTimeField()
    before = models.CharField(max_length=8, choices=Finding.Result, blank=True)  # empty: looked at for the first time
    after = models.CharField(max_length=8, choices=Finding.Result)
    found = models.TextField(blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(domain=None) ^ models.Q(address=None), name="a_change_is_about_one_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.before} → {self.after}"


class Alert(models.Model):
    """A check that had passed broke or was mended, or a warm-up was held by its figures: told to the admins by mail,
    and to a webhook where there is one.
    """

    class Kind(models.TextChoices):
        BROKE = "broke", _("Broke")
        MENDED = "mended", _("Mended")
        WARMUP = "warmup", _("Warm-up held")

    kind = models.CharField(max_length=6, choices=Kind)
    domain = models.ForeignKey(SendingDomain, null=True, on_delete=models.CASCADE, related_name="+")
    address = models.ForeignKey(SendingAddress, null=True, on_delete=models.CASCADE, related_name="+")
    budget = models.ForeignKey("Budget", null=True, on_delete=models.CASCADE, related_name="+")
    check_name = models.CharField(max_length=20)
    required = models.BooleanField()
    at = models.DateTimeField()
    detail = models.TextField(blank=True)
    expected = models.TextField(blank=True)
    found = models.TextField(blank=True)
    # Each way is tried until it worked or a day is over.
    mailed_at = models.DateTimeField(null=True)
    mail_due_at = models.DateTimeField(null=True)
    mail_error = models.CharField(max_length=300, blank=True)
    called_at = models.DateTimeField(null=True)
    call_due_at = models.DateTimeField(null=True)
    call_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["mail_due_at"], name="alerts_to_mail", condition=models.Q(mail_due_at__isnull=False)),
            models.Index(fields=["call_due_at"], name="alerts_to_call", condition=models.Q(call_due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.about}: {self.check_name} {self.kind}"

    @property
    def about(self) -> str:
        """The domain, the address or the account it is about, as a name."""
        return str(self.budget.scope if self.budget else self.domain or self.address)


class Budget(models.Model):
    """What one scope may spend at one provider (`*` = all together). Empty limits fall back to the catalogue."""

    class Kind(models.TextChoices):
        IP = "ip", _("IP address")
        DKIM_DOMAIN = "dkim_domain", _("Sending domain")
        ACCOUNT = "account", _("Relay or ESP account")
        RECIPIENT_DOMAIN = "recipient_domain", _("Recipient domain")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        SLOWED = "slowed", _("Slowed down")
        HELD = "held", _("Held")

    kind = models.CharField(max_length=16, choices=Kind)
    scope = models.CharField(max_length=253)
    provider = models.CharField(max_length=120)
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    per_hour = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    connections = models.PositiveSmallIntegerField(null=True, blank=True)
    per_connection = models.PositiveIntegerField(null=True, blank=True)
    batch_size = models.PositiveIntegerField(null=True, blank=True)
    batch_pause = models.FloatField(null=True, blank=True, help_text=_("Seconds between batches."))

    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    state_until = models.DateTimeField(null=True, blank=True)
    state_reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    # Share of the normal rate and connections allowed while recovering: 1.0 = all.
    rate_share = models.FloatField(default=1.0)
    connection_cap = models.PositiveSmallIntegerField(null=True, blank=True)
    ladder_step = models.PositiveSmallIntegerField(default=0)
    changed_at = models.DateTimeField(null=True, blank=True)

    warmup = models.ForeignKey(WarmupPlan, null=True, blank=True, on_delete=models.SET_NULL, related_name="budgets")
    warmup_day = models.PositiveIntegerField(default=0)
    warmup_on = models.DateField(null=True, blank=True)
    # When the last message of this budget really left, by the worker's report.
    last_dot_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "scope", "provider"], name="one_budget_per_scope_and_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.scope} at {self.provider}"


class Tally(models.Model):
    """What a budget spent in one minute: the windows are sums of these."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="tallies")
    minute = models.DateTimeField()
    sent = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    deferred = models.PositiveIntegerField(default=0)
    bounced = models.PositiveIntegerField(default=0)
    unknown_users = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "minute"], name="one_tally_per_minute")]

    def __str__(self) -> str:
        return f"{self.budget_id} at {self.minute:%H:%M}: {self.sent}"


class DayTally(models.Model):
    """The same by calendar day of the workspace's zone, with what came back later."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="day_tallies")
    day = models.DateField()
    sent = models.PositiveIntegerField(default=0)
    accepted = models.PositiveIntegerField(default=0)
    deferred = models.PositiveIntegerField(default=0)
    bounced = models.PositiveIntegerField(default=0)
    unknown_users = models.PositiveIntegerField(default=0)
    complained = models.PositiveIntegerField(default=0)
    unsubscribed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["budget", "day"], name="one_tally_per_day")]

    def __str__(self) -> str:
        return f"{self.budget_id} on {self.day}: {self.sent}"


class BudgetChange(models.Model):
    """Who or what changed a budget, with the reason: append-only."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="changes")
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    what = models.CharField(max_length=300)
    reason = models.CharField(max_length=300, blank=True)
    evidence = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.what


class Storm(models.Model):
    """Many "no such mailbox" at once from one provider, or one recipient domain of it: more likely its fault than the
    people's. While it is open nobody is suppressed for them.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Waits for a decision")
        BELIEVED = "believed", _("Believed: the mailboxes are gone")
        DISMISSED = "dismissed", _("Not believed: the people stay")

    provider = models.CharField(max_length=120)
    domain = models.CharField(max_length=253, blank=True)  # empty: the whole provider
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    began_at = models.DateTimeField()
    until = models.DateTimeField()  # then it is dismissed without a person
    why = models.CharField(max_length=300)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decision = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "domain"], condition=models.Q(state="open"), name="one_open_storm_at_a_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.domain} {self.state}".strip()


class MailboxVerdict(models.Model):
    """A receiver said that a mailbox does not exist: when, where, and what followed. Kept for 31 days."""

    class State(models.TextChoices):
        SUPPRESSED = "suppressed", _("Suppressed")
        HELD = "held", _("Held until somebody decides")
        DISMISSED = "dismissed", _("Counted as a soft failure")

    provider = models.CharField(max_length=120)
    domain = models.CharField(max_length=253)
    address_key = models.UUIDField()
    mailing_ref = models.BigIntegerField()
    at = models.DateTimeField()
    source = models.CharField(max_length=120)
    evidence = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State)
    # Whether this verdict was what suppressed the address: only then may it be taken back.
    was_news = models.BooleanField(default=False)
    storm = models.ForeignKey(Storm, null=True, on_delete=models.CASCADE, related_name="verdicts")

    class Meta:
        indexes = [models.Index(fields=["provider", "at"], name="verdicts_of_provider")]

    def __str__(self) -> str:
        return f"{self.provider} {self.state}"


class UnreadReply(models.Model):
    """Words of a receiver that no rule knows, personal parts masked: one row per provider, code and template."""

    digest = models.UUIDField(unique=True)
    provider = models.CharField(max_length=120)
    code = models.SmallIntegerField(null=True)
    enhanced = models.CharField(max_length=16, blank=True)
    text = models.CharField(max_length=600)
    sample = models.CharField(max_length=600, blank=True)
    phase = models.CharField(max_length=12, blank=True)
    n = models.PositiveIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-n", "-last_seen_at"]

    def __str__(self) -> str:
        return self.text[:60]


class ReplyDecision(models.Model):
    """What a person says that such words mean: a rule from then on, until it is taken back."""

    reply = models.ForeignKey(UnreadReply, on_delete=models.CASCADE, related_name="decisions")
    class_name = models.CharField(max_length=20)
    everywhere = models.BooleanField(default=False)  # also when other providers say it
    reason = models.CharField(max_length=300)
    decided_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    revoked_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["reply"], condition=models.Q(revoked_at=None), name="one_decision_about_a_reply"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.class_name}: {self.reply_id}"
