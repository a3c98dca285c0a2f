"""manage.py run <kind>: become one of the processes that make up Letterpace."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.processes import KINDS, become


class Command(BaseCommand):
    help = "Become one of the processes that make up Letterpace (what systemd and compose call)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=list(KINDS))

    def handle(self, *args: Any, kind: str, **options: Any) -> None:
        become(kind)
