"""One process under test, as an operator starts it, but with kill points: `python -m tests.faults.process KIND`.

`FAULT_NAME` tells two of a kind apart. `FAULT_WITHOUT` names a safeguard to leave out, so that the harness can be seen
to notice.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def main(kind: str) -> None:
    os.environ["PROCESS_KIND"] = kind
    name = os.environ["FAULT_NAME"]
    if sys.platform == "linux":
        # Nothing is left behind when the harness itself is killed.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    import django

    django.setup()
    from config.processes import KINDS

    argv = KINDS[kind]()
    if argv[1:3] != ["-m", "celery"]:
        os.execv(argv[0], argv)
    from tests.faults import points, without

    if leave_out := os.environ.get("FAULT_WITHOUT", ""):
        without.SAFEGUARDS[leave_out]()
    points.wrap(kind, points.Place(Path(os.environ["LETTERPACE_FAULTS"]), name))
    # Two workers on one machine would share one node name.
    sys.argv = [part.replace(f"{kind}@", f"{name}@") for part in argv[2:]]
    from celery.__main__ import main as celery

    celery()


if __name__ == "__main__":
    main(sys.argv[1])
