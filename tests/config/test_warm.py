"""A web process that has started has nothing left to load for its first visitors."""

import os
import subprocess
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
# Without a database, a damaged link still finds its view and a sentence.
FIRST_VISIT = """
import gc, sys
from config.wsgi import application
loaded = set(sys.modules)
from io import BytesIO
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/u/damaged", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
           "HTTP_HOST": "127.0.0.1", "wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "HTTP_ACCEPT_LANGUAGE": "de"}
answers = []
body = b"".join(application(environ, lambda status, headers: answers.append(status)))
ours = ("audiences", "campaigns", "config", "reputation", "sending")
print(answers[0], sorted(name for name in set(sys.modules) - loaded if name.partition(".")[0] in ours))
print(gc.get_freeze_count() > 0, body.decode())
"""


def test_the_first_visit_loads_no_more_code(tmp_path: Path) -> None:
    own = {
        "VAR_DIR": str(tmp_path),
        "KEYS_DIR": str(tmp_path / "keys"),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
        "CELERY_BROKER_URL": "memory://",
        "DEBUG": "yes",
    }
    said = subprocess.run(
        [sys.executable, "-c", FIRST_VISIT], cwd=BASE_DIR, env={**os.environ, **own}, capture_output=True, text=True
    )
    lines = said.stdout.splitlines()
    assert lines[0] == "404 Not Found []", said.stderr
    assert lines[1].startswith("True "), said.stderr
