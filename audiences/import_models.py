"""Files of people, and what became of their lines."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Import(models.Model):
    """One uploaded file of people and what became of each of its lines."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Uploaded")
        CHECKING = "checking", _("Being tried out")
        CHECKED = "checked", _("Tried out")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        UNDOING = "undoing", _("Being taken back")
        UNDONE = "undone", _("Taken back")

    class Existing(models.TextChoices):
        KEEP = "keep", _("Keep what we know")
        OVERWRITE = "overwrite", _("Take what the file says")
        FILL_EMPTY = "fill_empty", _("Fill in what is empty")

    list = models.ForeignKey("audiences.MailingList", null=True, on_delete=models.PROTECT, related_name="imports")
    file_name = models.CharField(max_length=255)
    path = models.CharField(max_length=500, blank=True)
    encoding = models.CharField(max_length=40, blank=True)
    delimiter = models.CharField(max_length=4, blank=True)
    mapping = models.JSONField(default=dict, blank=True)
    has_header = models.BooleanField(default=True)
    existing = models.CharField(max_length=10, choices=Existing, default=Existing.KEEP)
    consent_basis = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.UPLOADED)
    error = models.TextField(blank=True)
    # What the rows would do, by the trial before the import.
    trial = models.JSONField(default=dict, blank=True)
    # Rows written for good. What a killed run left undone goes on from here.
    done_rows = models.PositiveIntegerField(default=0)
    n_lines = models.PositiveIntegerField(default=0)
    n_created = models.PositiveIntegerField(default=0)
    n_updated = models.PositiveIntegerField(default=0)
    n_unchanged = models.PositiveIntegerField(default=0)
    n_subscribed = models.PositiveIntegerField(default=0)
    n_kept_out = models.PositiveIntegerField(default=0)
    n_duplicates = models.PositiveIntegerField(default=0)
    n_rejected = models.PositiveIntegerField(default=0)
    n_flagged = models.PositiveIntegerField(default=0)
    n_taken_back = models.PositiveIntegerField(default=0)
    n_stayed = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name


class ImportRejection(models.Model):
    """A line of an import that was not taken as it stands, or deserves a look, with the reason in words."""

    class Kind(models.TextChoices):
        REJECTED = "rejected", _("Not taken")
        DUPLICATE = "duplicate", _("Same address as an earlier line")
        KEPT_OUT = "kept_out", _("Left or suppressed: nothing was changed")
        FLAGGED = "flagged", _("Taken, but looks odd")

    # `import` is a keyword, hence the name.
    upload = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="rejections")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.REJECTED)
    line = models.PositiveIntegerField()
    column = models.CharField(max_length=80, blank=True)
    value = models.TextField(blank=True)
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["line"]
        indexes = [models.Index(fields=["upload", "line"], name="rejections_of_import")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class ImportedPerson(models.Model):
    """What an import did to one person, so that it can be taken back; kept for 30 days."""

    upload = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="people")
    # No foreign key: an erased person takes nothing else along.
    subscriber_id = models.BigIntegerField()
    was_new = models.BooleanField()
    joined = models.BooleanField()
    # Fields and language before and as the file had them, where it changed a person we knew.
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    # The day of their sale or question before and as the file had it, where it is another one for somebody on the list.
    ground_before = models.DateField(null=True)
    ground_after = models.DateField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["upload", "id"], name="people_of_import"),
            models.Index(fields=["subscriber_id"], name="imports_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.subscriber_id} by import {self.upload_id}"
