"""The pages of people for `benchmarks.screens`, and an import as its wizard runs it."""

import argparse
import resource
import time
from collections.abc import Iterator
from datetime import datetime

from benchmarks import _mailings
from benchmarks._campaign_screens import fetching, looked

# Whatever the number of rows.
MOST_MEMORY_MB = 100


def people(asked: argparse.Namespace, now: datetime) -> tuple[dict[str, list[float]], int]:
    """The page of people: without a question, by the beginning of an address and of a name, by state and list."""
    from audiences.models import Subscriber

    _mailings.crowd(asked.people, now=now)
    somebody = Subscriber.objects.order_by("pk")[asked.people // 2]
    looks = {
        "first_page": fetching("/people/"),
        "address": fetching("/people/", q=somebody.email[:8]),
        "name": fetching("/people/", q="Ada"),
        "nobody": fetching("/people/", q="zzzz"),
        "subscribed": fetching("/people/", state="subscribed"),
        "complained": fetching("/people/", state="complained"),
        "suppressions": fetching("/suppressions/"),
        "lists": fetching("/lists/"),
    }
    return {name: looked(asked.looks, look) for name, look in looks.items()}, 300


def imports(asked: argparse.Namespace, now: datetime) -> tuple[dict[str, list[float]], int]:
    """A file of `--people` rows with a name and a city, one in fifty of them no address, into a list; once. What a
    million take at that pace. Raises RuntimeError when rows are missing or memory grew with them."""
    from audiences import imports as importing
    from audiences.import_files import receive
    from audiences.models import Import
    from tests.cast import newsletter

    upload = receive(chunks=_rows(asked.people), file_name="people.csv", list_id=newsletter().pk)
    importing.start(upload_id=upload.pk)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    importing.run_import(now=now, upload_id=upload.pk)
    took = time.perf_counter() - began
    done = Import.objects.get(pk=upload.pk)
    if done.state != Import.State.DONE or done.n_lines != asked.people:
        raise RuntimeError(f"{done.state}: {done.n_lines} of {asked.people} rows")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if grown > MOST_MEMORY_MB:
        raise RuntimeError(f"The import took {grown} MB of memory.")
    return {"a_million_rows": [took * 1_000_000 / asked.people]}, 180_000


def _rows(n: int) -> Iterator[bytes]:
    yield b"E-mail,First name,City\n"
    for first in range(0, n, 1_000):
        yield "".join(
            f"reader{number}{'@' if number % 50 else ' at '}example{number % 997}.org,Ada{number},Oslo\n"
            for number in range(first, min(first + 1_000, n))
        ).encode()
