"""Django's PostgreSQL backend, which starts the embedded server at the first connection when no URL was given.

Starting it in the settings would start a server for `manage.py help` and for the type checker.
"""

from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

from config import embedded


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the server of DATABASE_URL, or to the embedded one."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if settings.EMBEDDED_POSTGRES:
            embedded.join(settings.VAR_DIR, broker=False, fsync=settings.EMBEDDED_FSYNC)
        return super().get_new_connection(conn_params)
