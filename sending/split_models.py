"""The A/B test of a mailing."""

from django.conf import settings
from django.db import models


class SplitTest(models.Model):
    """How a mailing's people are divided among its messages, and what decides which of them the others get.

    The winner itself is on the mailing, where whoever writes its letters reads it.
    """

    mailing = models.OneToOneField(
        "sending.Mailing", primary_key=True, on_delete=models.CASCADE, related_name="split_test"
    )
    variants = models.PositiveSmallIntegerField()
    share = models.PositiveSmallIntegerField()
    # Of `pure.split`: By, and Why.
    by = models.CharField(max_length=8)
    wait = models.DurationField()
    # People in the test, and how many wait for the winner.
    people = models.PositiveIntegerField()
    rest = models.PositiveIntegerField()
    # When the test part had been handed out, so that the wait began.
    tested_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    why = models.CharField(max_length=8, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_at__isnull=True, why="")
                | models.Q(decided_at__isnull=False) & ~models.Q(why=""),
                name="whoever_decides_says_why",
            )
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id}: {self.variants} variants"
