"""Several statements in one trip to the database: the planner makes dozens every second, and whoever ends a batch holds
rows that others wait for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection


def ask(questions: Sequence[str], params: Mapping[str, Any] | Sequence[Any]) -> list[list[Any]]:
    """The rows of each, in their order: a later one sees what was committed while an earlier one was answered. Each has
    rows to give, if none now.

    PostgreSQL keeps how it carries them out, for as long as the session: to plan the largest of them anew takes longer
    than its rows do.
    """
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    with connection.wrap_database_errors, raw.pipeline():
        cursors = [
            psycopg.Cursor(raw).execute(question, own, prepare=True)
            for question, own in zip(questions, _own(questions, params), strict=True)
        ]
        return [cursor.fetchall() for cursor in cursors]


def _own(questions: Sequence[str], params: Mapping[str, Any] | Sequence[Any]) -> Iterator[Any]:
    """The parameters of each question: of those without names, each takes as many as it has places."""
    if isinstance(params, Mapping):
        yield from [params] * len(questions)
        return
    start = 0
    for question in questions:
        end = start + question.count("%s")
        yield params[start:end]
        start = end


def tell(statements: Sequence[tuple[str, Mapping[str, Any] | Sequence[Any]]]) -> None:
    """Carry out statements that give no rows, each with parameters of its own, in this order. At least one."""
    with connection.cursor() as cursor:
        cursor.execute(";".join([cursor.mogrify(sql, params) for sql, params in statements]))
