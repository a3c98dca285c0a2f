"""Letters that leave at an hour where each person lives."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class LocalHour(models.Model):
    """A wave of a mailing: people whose hour is the same instant, `at`. `zone` is that of most of them; an empty one
    among `zones` means that nobody knows where they live, so that the hour is that of the campaign's own zone."""

    mailing = models.ForeignKey("sending.Mailing", on_delete=models.CASCADE, related_name="hours")
    wave = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    zone = models.CharField(max_length=64)
    zones = ArrayField(models.CharField(max_length=64))
    people = models.PositiveIntegerField()
    begun_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["wave"]
        constraints = [models.UniqueConstraint(fields=["mailing", "wave"], name="one_hour_per_wave")]
        indexes = [
            # `hours.let_go`: whose hour has come?
            models.Index(fields=["at"], name="hour_to_come", condition=models.Q(begun_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id}/{self.wave}: {self.at:%Y-%m-%d %H:%M} ({self.zone})"
