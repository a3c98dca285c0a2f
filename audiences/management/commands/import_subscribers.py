"""manage.py import_subscribers: take a CSV file of people into a list."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audiences import import_files, imports
from audiences.models import Import, MailingList

_NUMBERS = (
    ("n_lines", "people in the file"),
    ("n_created", "new"),
    ("n_updated", "updated"),
    ("n_unchanged", "known already, unchanged"),
    ("n_subscribed", "added to the list"),
    ("n_kept_out", "kept out: they left or are suppressed"),
    ("n_duplicates", "named twice in the file"),
    ("n_rejected", "not taken"),
    ("n_flagged", "taken, but worth a look"),
)
_SHOWN = 10


class Command(BaseCommand):
    help = "Import people from a CSV file into a list. Ends with 1 when nobody could be taken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the CSV file; encoding and delimiter are detected")
        parser.add_argument("--list", required=True, help="the list's name")
        parser.add_argument("--mapping", default="", help="which column is what: email=E-Mail,first_name=Vorname")
        parser.add_argument("--consent", default="", help="where, when and how these people agreed")
        parser.add_argument("--existing", choices=Import.Existing.values, default=Import.Existing.KEEP.value)
        parser.add_argument("--json", action="store_true", help="print the numbers as JSON")

    def handle(self, **options: Any) -> None:
        """Describe, run, tell."""
        mailing_list = _list_called(options["list"])
        mapping = _mapping(options["mapping"])
        try:
            labels = import_files.look(path=options["file"].resolve()).labels
            upload = import_files.describe(
                path=options["file"].resolve(), file_name=options["file"].name, list_id=mailing_list.pk
            )
        except import_files.BadFile as error:
            raise CommandError(str(error)) from error
        _decide(upload, mapping=mapping, consent=options["consent"], existing=options["existing"])
        imports.start(upload_id=upload.pk)
        imports.run_import(now=timezone.now(), upload_id=upload.pk)  # clock: entry
        upload.refresh_from_db()
        self._tell(upload, labels, as_json=options["json"])
        if upload.state != Import.State.DONE:
            raise CommandError(upload.error)
        if upload.n_lines == upload.n_rejected:
            raise CommandError("Nobody could be taken from this file.")

    def _tell(self, upload: Import, labels: list[str], *, as_json: bool) -> None:
        numbers = {name: getattr(upload, name) for name, _ in _NUMBERS}
        unused = [label for label in labels if label not in upload.mapping.values()]
        if as_json:
            head = {"import": upload.pk, "state": upload.state, "error": upload.error, "encoding": upload.encoding}
            self.stdout.write(json.dumps({**head, "mapping": upload.mapping, "unused": unused, **numbers}))
            return
        self.stdout.write(f"{upload.file_name}: read as {upload.encoding}, columns {upload.mapping}")
        if unused:
            self.stdout.write(f"Columns not imported: {', '.join(unused)}. Name them with --mapping to keep them.")
        for name, words in _NUMBERS:
            self.stdout.write(f"{numbers[name]:>10,}  {words}")
        rejected = upload.rejections.filter(kind="rejected")
        for row in rejected[:_SHOWN]:
            self.stdout.write(f"line {row.line}: {row.reason} ({row.value[:60]})")
        if upload.n_rejected > _SHOWN:
            self.stdout.write(f"… and {upload.n_rejected - _SHOWN:,} more; they are kept with import {upload.pk}.")


def _list_called(name: str) -> MailingList:
    found = MailingList.objects.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{known}”" for known in MailingList.objects.values_list("name", flat=True)[:20])
        hint = f"There are: {names}." if names else "Make one first."
        raise CommandError(f"There is no list called “{name}”. {hint}")
    return found


def _mapping(text: str) -> dict[str, str]:
    """`email=E-Mail,first_name=Vorname`; a column's name may hold = but no comma."""
    mapping: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        target, equals, label = part.partition("=")
        if not equals or not label.strip():
            raise CommandError(f"--mapping takes pairs such as email=E-Mail; “{part}” is none.")
        mapping[target.strip()] = label.strip()
    return mapping


def _decide(upload: Import, *, mapping: dict[str, str], consent: str, existing: str) -> None:
    upload.mapping = mapping or upload.mapping
    upload.consent_basis, upload.existing = consent.strip()[:200], existing
    upload.save(update_fields=["mapping", "consent_basis", "existing"])
