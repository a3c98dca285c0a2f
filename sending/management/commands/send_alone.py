"""manage.py send_alone BATCH EPOCH NOW: what a sending worker starts for a delivery that may kill its process."""

import signal
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from sending import draining, here
from sending.transmit import transmit_alone


class Command(BaseCommand):
    help = "Send a batch of one that a worker has handed to this process. Started by workers; not for people."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("batch", type=int)
        parser.add_argument("epoch", type=int)
        parser.add_argument("now", type=datetime.fromisoformat)

    def handle(self, *args: Any, batch: int, epoch: int, now: datetime, **options: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: draining.begin())
        try:
            transmit_alone(now=now, batch_id=batch, epoch=epoch)
        finally:
            here.close()
