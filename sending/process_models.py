"""The processes that send, and what a host remembers of itself."""

from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """A worker process: its id is also the key of the advisory lock that it holds while it lives."""

    id = models.BigIntegerField(primary_key=True)
    egress_host = models.CharField(max_length=63)
    kind = models.CharField(max_length=20)
    pid = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind}@{self.egress_host} ({self.pid})"


class BootIdentity(models.Model):
    """What a sending host's file must agree with (`sending.boot_identity`)."""

    host = models.CharField(max_length=63, primary_key=True)
    identity = models.UUIDField()
    generation = models.BigIntegerField()
    # A person confirmed a restore: this host takes a new identity when it comes.
    pardoned = models.BooleanField(default=False)
    seen_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.host}: {self.generation}"


class Tick(models.Model):
    """When each essential sweep last ran, so that any worker can step in when beat is silent."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%H:%M:%S}"
