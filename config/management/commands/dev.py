"""manage.py dev: everything in one terminal."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from config import embedded
from config.processes import KINDS
from config.supervisor import Supervisor, only_one, say


class Command(BaseCommand):
    help = "Start the services, migrate, and run every kind of process until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        with only_one(settings.VAR_DIR / "lock" / "supervisor"):
            start_services()
            call_command("migrate", verbosity=0)
            supervisor = Supervisor()
            for kind in KINDS:
                supervisor.start(kind, env={"DEBUG": os.environ.get("DEBUG", "yes")})
            say("supervisor", f"Letterpace answers on {settings.PUBLIC_URL} - Ctrl-C stops everything")
            supervisor.run()


def start_services() -> None:
    """Join the embedded servers for as long as this process lives."""
    if settings.EMBEDDED_POSTGRES or settings.EMBEDDED_BROKER:
        embedded.join(
            settings.VAR_DIR,
            postgres=settings.EMBEDDED_POSTGRES,
            broker=settings.EMBEDDED_BROKER,
            fsync=settings.EMBEDDED_FSYNC,
        )
