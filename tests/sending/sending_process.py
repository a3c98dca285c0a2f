"""A real worker process without Celery, to be killed: `python -m tests.sending.sending_process DB PORT NOW BATCH…`."""

import os
import signal
import sys
import threading
from datetime import datetime


def main(database: str, port: str, now: str, *batch_ids: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    settings.SMTP_PORT = int(port)
    settings.SMTP_DOT_TIMEOUT = 5.0
    django.setup()
    from sending import draining, here
    from sending.transmit import transmit

    signal.signal(signal.SIGTERM, lambda *_: draining.begin())
    threads = [
        threading.Thread(target=transmit, kwargs={"now": datetime.fromisoformat(now), "batch_id": int(batch_id)})
        for batch_id in batch_ids
    ]
    for thread in threads:
        thread.start()
    print("sending", flush=True)
    for thread in threads:
        thread.join()
    here.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
