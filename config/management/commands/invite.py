"""manage.py invite ADDRESS [--role admin]: a link that lets one person in. The first admin comes in this way."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.urls import reverse
from django.utils import timezone

from config.roles import Role
from config.team.inviting import invite
from config.team.members import CannotChange


class Command(BaseCommand):
    help = "Print a link that lets one person into the team. It works once, for seven days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="the person's e-mail address, with which to sign in")
        parser.add_argument("--role", choices=[role.value for role in Role], default=Role.ADMIN.value)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_email(options["address"])
            role, now = Role(options["role"]), timezone.now()  # clock: entry
            secret = invite(now=now, email=options["address"], role=role, by=None)
        except ValidationError:
            raise CommandError(f"{options['address']} is not an e-mail address.") from None
        except CannotChange as error:
            raise CommandError(f"{error} For a new password an admin makes a link under Team.") from None
        self.stdout.write(settings.PUBLIC_URL + reverse("invitation", args=[secret]))
