"""A worker that dies of one address: `python -m tests.sending.poisoned_process DB PORT ADDRESS NOW BATCH… [--alone E]`.

It dies as a defect in a library does: a read of memory that is not there, while the letter is written.
"""

import ctypes
import os
import sys
import threading
from datetime import datetime


def main(database: str, port: str, address: str, now: str, *batches: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    settings.SMTP_PORT = int(port)
    django.setup()
    from sending import alone, here, letters
    from sending.transmit import transmit, transmit_alone

    real = letters.Writer._composed

    def composed(self, person, now):
        return ctypes.string_at(0) if person.email == address else real(self, person, now)

    def command(batch_id: int, epoch: int, now: datetime) -> list[str]:
        us = [sys.executable, "-m", "tests.sending.poisoned_process", database, port, address]
        return [*us, now.isoformat(), str(batch_id), "--alone", str(epoch)]

    letters.Writer._composed = composed  # type: ignore[method-assign]
    alone.command = command
    at = datetime.fromisoformat(now)
    if "--alone" in batches:
        transmit_alone(now=at, batch_id=int(batches[0]), epoch=int(batches[2]))
    else:
        work = [threading.Thread(target=transmit, kwargs={"now": at, "batch_id": int(each)}) for each in batches]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    here.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
