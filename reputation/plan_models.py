"""Warm-up plans and every version of them."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class WarmupPlan(models.Model):
    """Caps of the day by provider, day after day. A preset is copied, then edited."""

    name = models.CharField(max_length=80, unique=True)
    preset = models.CharField(max_length=40, blank=True)
    # {"google": [150, 225, …], "*": [50, 75, …]}; after the last day there is no cap.
    days = models.JSONField(default=dict)
    # On Saturdays and Sundays only transactional mail leaves, and the warm-up stays on its day.
    skips_weekends = models.BooleanField(default=False, db_default=False)
    version = models.PositiveIntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WarmupPlanVersion(models.Model):
    """A plan as it was after each change, with who made it: append-only. The latest is the plan."""

    plan = models.ForeignKey(WarmupPlan, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    what = models.CharField(max_length=300)
    days = models.JSONField()
    skips_weekends = models.BooleanField(default=False)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="versions_of_a_plan_are_numbered")]

    def __str__(self) -> str:
        return f"{self.plan_id} version {self.number}"
