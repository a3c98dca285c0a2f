"""Try an import out: what would each row do? Reads the whole file and writes nothing but the answer."""

from datetime import datetime

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from audiences import import_sql as sql
from audiences.import_files import BadFile
from audiences.imports import WAITING, alone, row_reader, stage, terms_of
from audiences.models import Import

# As `import_sql.trial` gives them.
COUNTS = ("created", "updated", "unchanged", "duplicates", "rejected", "kept_out", "flagged")


def start(*, upload_id: int) -> bool:
    """Make a trial due; False when the import runs or is done. Enqueue `tasks.run_import` after commit."""
    waiting = Import.objects.filter(pk=upload_id, state__in=WAITING)
    return waiting.update(state=Import.State.CHECKING, error="", trial={}) == 1


def run(*, now: datetime, upload_id: int) -> bool:
    """Run a due trial. False when it is not due or somebody else runs it. What is wrong with the file is said on it."""
    with alone(upload_id) as got:
        upload = Import.objects.select_related("list").filter(pk=upload_id, state=Import.State.CHECKING).first()
        if not got or upload is None:
            return False
        mine = Import.objects.filter(pk=upload_id, state=Import.State.CHECKING)
        try:
            mine.update(trial=_counts(now, upload), state=Import.State.CHECKED)
        except BadFile as error:
            mine.update(error=str(error), state=Import.State.UPLOADED)
        except (OperationalError, InterfaceError):
            raise  # the next sweep tries again
        except Exception:
            # Else the sweep would begin it anew, for ever.
            sentence = _("The trial stopped at an error of ours. Nothing was changed.")
            mine.update(error=sentence, state=Import.State.UPLOADED)
            raise
        return True


def _counts(now: datetime, upload: Import) -> dict[str, int]:
    reader = row_reader(upload, now=now)
    with transaction.atomic(), connection.cursor() as cursor:
        # A large file takes as long as it takes, as when it is run.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(sql.STAGE)
        stage(cursor, upload, reader)
        terms = terms_of(now, upload)
        cursor.execute(sql.trial(upload.existing), {"scopes": terms["scopes"], "list": upload.list_id})
        found = dict(zip(COUNTS, cursor.fetchone(), strict=True))
        cursor.execute(sql.CLEAR)
    return found
