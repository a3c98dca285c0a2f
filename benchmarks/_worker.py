"""A real sending worker that leaves the signature out, to see what the rest costs: `python -m benchmarks._worker`."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["PROCESS_KIND"] = "transmit"


def main() -> None:
    from config import processes

    arguments = processes.KINDS["transmit"]()[1:]
    sys.argv = arguments
    import django

    django.setup()
    from config.celery import app
    from sending import letters

    letters.sign = lambda *_args, **_named: b""  # type: ignore[attr-defined]
    app.worker_main(arguments[arguments.index("worker") :])


if __name__ == "__main__":
    main()
