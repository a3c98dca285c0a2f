"""What receivers report about our mail, and what of it could not be read."""

from django.db import models


class OutsideReport(models.Model):
    """One report of one organisation about one domain and period. The same report told twice is one row."""

    class Kind(models.TextChoices):
        DMARC = "dmarc", "DMARC"
        TLS = "tls", "TLS"

    kind = models.CharField(max_length=5, choices=Kind)
    organisation = models.CharField(max_length=200)
    report_id = models.CharField(max_length=200)
    domain = models.CharField(max_length=255)
    provider = models.CharField(max_length=32, blank=True, help_text="The key of the catalogue, where we know whose")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    received_at = models.DateTimeField()
    source = models.CharField(max_length=10, help_text="upload or mail")
    # By mail anybody can write in anybody's name: what nobody signed is shown, and not counted.
    proven = models.BooleanField(help_text="Uploaded by an admin, or signed by its writer")
    signed_by = models.CharField(max_length=255, blank=True)
    raw = models.BinaryField()

    class Meta:
        ordering = ["-ends_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "organisation", "report_id", "domain"], name="a_report_counts_once")
        ]
        indexes = [models.Index(fields=["ends_at"], name="outside_report_latest")]

    def __str__(self) -> str:
        return f"{self.organisation} on {self.domain}, {self.ends_at:%Y-%m-%d}"


class DmarcTally(models.Model):
    """Messages from one address that a receiver judged alike. `dkim`, `spf`: passed and aligned."""

    report = models.ForeignKey(OutsideReport, on_delete=models.CASCADE, related_name="dmarc")
    source_ip = models.GenericIPAddressField()
    header_from = models.CharField(max_length=255)
    messages = models.PositiveBigIntegerField()
    dkim = models.BooleanField()
    spf = models.BooleanField()
    disposition = models.CharField(max_length=20)

    def __str__(self) -> str:
        return f"{self.messages} from {self.source_ip} as {self.header_from}"


class TlsTally(models.Model):
    """Sessions that came to one of our domains. `failures`: kind → sessions."""

    report = models.ForeignKey(OutsideReport, on_delete=models.CASCADE, related_name="tls")
    domain = models.CharField(max_length=255)
    policy = models.CharField(max_length=40, blank=True)
    succeeded = models.PositiveBigIntegerField()
    failed = models.PositiveBigIntegerField()
    failures = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.succeeded} of {self.succeeded + self.failed} to {self.domain}"


class RefusedFile(models.Model):
    """A file that somebody uploaded and that could not be read, kept as it came, with the reason."""

    name = models.CharField(max_length=200)
    reason = models.CharField(max_length=400)
    at = models.DateTimeField()
    raw = models.BinaryField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class PostmasterFigure(models.Model):
    """What a provider tells its senders of one day, about one of our addresses or domains. The latest word counts."""

    class Source(models.TextChoices):
        SNDS = "snds", "Microsoft SNDS"
        GOOGLE = "google", "Google Postmaster Tools"
        YAHOO = "yahoo", "Yahoo Sender Hub"

    source = models.CharField(max_length=6, choices=Source)
    subject = models.CharField(max_length=255, help_text="An IP address or a domain")
    day = models.DateField()
    complaints = models.FloatField(null=True, help_text="Per cent, at most")
    messages = models.BigIntegerField(null=True)
    colour = models.CharField(max_length=6, blank=True)
    traps = models.IntegerField(null=True)
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["source", "subject", "-day"]
        constraints = [models.UniqueConstraint(fields=["source", "subject", "day"], name="one_postmaster_figure_a_day")]

    def __str__(self) -> str:
        return f"{self.subject} on {self.day}"

    @property
    def short_source(self) -> str:
        """Microsoft, Google or Yahoo."""
        return str(self.get_source_display()).split()[0]


class PostmasterAccess(models.Model):
    """The key to a provider's figures, and what came of asking with it the last time."""

    source = models.CharField(max_length=6, choices=PostmasterFigure.Source, unique=True)
    secret_sealed = models.BinaryField()
    name = models.CharField(max_length=255, help_text="Which key it is, without a secret")
    entered_at = models.DateTimeField()
    next_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True, help_text="When it last worked")
    figures = models.IntegerField(default=0)
    problem = models.TextField(blank=True)
    notes = models.JSONField(default=list)

    class Meta:
        ordering = ["source"]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.name}"
