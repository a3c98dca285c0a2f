"""The team: who works here, as what, and who was invited."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from config.roles import Role

ROLES = [(role.value, gettext_lazy(role.value.capitalize())) for role in Role]


class Member(models.Model):
    """What a person of the team is here."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True)
    role = models.CharField(max_length=10, choices=ROLES, default=Role.VIEWER.value)
    joined_at = models.DateTimeField()
    # Single keys such as `c` (WCAG 2.1.4: they can be switched off).
    shortcuts = models.BooleanField(default=True)
    # Of settings.SITE_LANGUAGES; empty: as the browser asks.
    language = models.CharField(max_length=10, blank=True, default="")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(role__in=list(Role)), name="a_role_of_the_table")]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Invitation(models.Model):
    """A link that lets one person in once: a newcomer, or (with `user`) a member who forgot the password. Only the
    hash of the link's secret is kept."""

    email = models.EmailField()
    role = models.CharField(max_length=10, choices=ROLES)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    token_hash = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class TeamChange(models.Model):
    """Append-only: who let whom in, changed a role, or closed an account."""

    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    who = models.CharField(max_length=254)
    what = models.CharField(max_length=120)

    class Meta:
        indexes = [models.Index(fields=["-at"], name="team_change_latest")]

    def __str__(self) -> str:
        return f"{self.who}: {self.what}"


class ApiToken(models.Model):
    """A personal token for programs. `number` is its public part; of the secret only the hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    number = models.CharField(max_length=8, unique=True)
    secret_hash = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # How often it asked in its latest minute.
    minute = models.DateTimeField(null=True)
    n_in_minute = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} ({self.number})"
