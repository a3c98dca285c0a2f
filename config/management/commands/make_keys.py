"""manage.py make_keys: the key files of a new installation."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import keys


class Command(BaseCommand):
    help = "Make the key files that are missing in KEYS_DIR. Never replaces one, never prints one."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        made = keys.make_missing(settings.KEYS_DIR)
        for name in made:
            self.stdout.write(f"made {settings.KEYS_DIR / name}: {keys.FILES[name]}")
        self.stdout.write("Put this folder into your backup." if made else "All keys were there already.")
