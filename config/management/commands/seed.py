"""manage.py seed: sample people and a draft to look at. Nothing that could be mailed by mistake: every address ends in
`.example`.
"""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone

from audiences.models import MailingList, PersonField
from campaigns.content import save_letter
from campaigns.models import Campaign
from config.demo import people, world
from config.roles import Role
from config.team.members import join

LIST = "Sample readers"


class Command(BaseCommand):
    help = "Add sample people, a list and a draft campaign, and an admin when there is none. Harmless to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--people", type=int, default=500)

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        self._admin()
        for key, label in (("first_name", "First name"), ("last_name", "Last name"), ("city", "City")):
            PersonField.objects.get_or_create(key=key, defaults={"label": label})
        readers, _ = MailingList.objects.get_or_create(name=LIST, defaults={"public_name": "Sample readers"})
        self._people(options["people"])
        self._draft(readers)
        self.stdout.write(f"{readers.subscriptions.count()} people are on “{LIST}”, and a draft waits under Campaigns.")

    def _admin(self) -> None:
        if User.objects.filter(is_staff=True).exists():
            return
        password, address = secrets.token_urlsafe(12), "admin@harbour.example"
        admin = User.objects.create_user(address, address, password, first_name="Admin")
        join(now=timezone.now(), user=admin, role=Role.ADMIN, by=None)  # clock: entry
        self.stdout.write(f"Sign in as {address} with the password {password} (shown once).")

    def _people(self, n: int) -> None:
        """Everybody at small hosters of the demo world: `.example` names that no DNS knows."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "people.csv")
            rows = people.readers(n * 40, seed=1, hosters=20)
            chosen = (row for row in rows if row.persona == "hosters")
            people.write_csv(path, (row for row, _ in zip(chosen, range(n), strict=False)))
            call_command("import_subscribers", str(path), list=LIST, consent="Sample data", stdout=self.stdout)

    def _draft(self, readers: MailingList) -> None:
        name = "Winter reading list (sample)"
        if Campaign.objects.filter(name=name).exists():
            return
        now = timezone.now()  # clock: entry
        draft = Campaign.objects.create(name=name, from_name="Harbour Books")
        draft.included_lists.add(readers)
        save_letter(
            now=now,
            campaign_id=draft.pk,
            based_on=0,
            subject='{{ contact.first_name | default: "Dear reader" }}, three books for long evenings',
            preheader="Three books for long evenings",
            letter=world.LETTER,
            by=None,
        )
