"""PostgreSQL array literals made here, so that a statement has the same parameter types whatever the values.

psycopg picks int2, int4 or int8 by value and something else for a list of only NULLs: every mix would be one more
prepared statement.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID


def numbers(values: Iterable[int | float | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else repr(value) for value in values]) + "}"


def stamps(values: Iterable[datetime | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"{value.isoformat()}"' for value in values]) + "}"


def uuids(values: Iterable[UUID | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else value.hex for value in values]) + "}"


def texts(values: Iterable[str]) -> str:
    return "{" + ",".join(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]) + "}"
