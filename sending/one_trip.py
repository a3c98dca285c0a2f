"""Several statements in one trip to the database: the planner makes dozens every second, and whoever ends a batch holds
rows that others wait for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection


def ask(questions: Sequence[str], params: Mapping[str, Any] | Sequence[Any]) -> list[list[Any]]:
    """The rows of each, in their order: a later one sees what was committed while an earlier one was answered. Each has
    rows to give, if none now.

    They go as one string, which PostgreSQL takes since the parameters are written into it on this side.
    """
    found: list[list[Any]] = []
    with connection.cursor() as cursor:
        cursor.execute(";".join(questions), params)
        found.append(cursor.fetchall())
        while cursor.nextset():
            found.append(cursor.fetchall())
    return found


def tell(statements: Sequence[tuple[str, Mapping[str, Any] | Sequence[Any]]]) -> None:
    """Carry out statements that give no rows, each with parameters of its own, in this order. At least one."""
    with connection.cursor() as cursor:
        cursor.execute(";".join([cursor.mogrify(sql, params) for sql, params in statements]))
