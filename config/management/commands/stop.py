"""manage.py stop: end what runs under VAR_DIR, and the embedded servers a killed process left."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import embedded
from config.embedded_process import is_alive, send, wait_until
from config.processes import STOP_SECONDS
from config.supervisor import running_supervisor


class Command(BaseCommand):
    help = "Stop `manage.py dev` or `demo`, if one runs here, and embedded servers that were left running."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        pid = running_supervisor(settings.VAR_DIR / "lock" / "supervisor")
        if pid is not None:
            send(pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(pid), seconds=STOP_SECONDS + 20)
        stopped = embedded.stop(settings.VAR_DIR)
        self.stdout.write("Stopped." if pid is not None or stopped else "Nothing was running.")
