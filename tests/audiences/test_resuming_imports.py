"""Imports that are killed, overlap, or meet people who leave meanwhile: committed transactions, several connections."""

import threading
from itertools import product

import pytest
from django.db import DataError, OperationalError, connection, connections

from audiences import consent, import_sql, imports, tasks
from audiences.import_files import describe
from audiences.models import ConsentEvent, Import, Subscriber, Subscription
from tests.audiences.cast import DAY, NOW, assert_events_tell_the_rows, make_list, reader, suppressions

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 40


@pytest.fixture
def upload(tmp_path, monkeypatch):
    monkeypatch.setattr(imports, "CHUNK_ROWS", 10)
    file = tmp_path / "people.csv"
    lines = [f"p{number}@x.example,P" for number in range(ROWS - 3)]
    file.write_text("\n".join(["E-mail,First name", *lines, "nobody,P", "p1@x.example,P", "info@x.example,P"]) + "\n")
    made = describe(path=file, file_name="people.csv", list_id=make_list().pk)
    assert imports.start(upload_id=made.pk)
    return made


def finish(upload):
    assert imports.run_import(now=NOW + DAY, upload_id=upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.n_lines, upload.n_created) == ("done", ROWS, ROWS - 2)
    assert (upload.n_rejected, upload.n_duplicates, upload.n_flagged, upload.n_subscribed) == (1, 1, 1, ROWS - 2)
    assert upload.rejections.count() == 3
    assert Subscriber.objects.count() == Subscription.objects.count() == ConsentEvent.objects.count() == ROWS - 2


@pytest.mark.parametrize(
    ("statement", "chunk"),
    [("INDEX", 1), *product(["CREATE", "SUBSCRIBE", "REPORT", "COUNT"], [1, 2, 4])],
)
def test_a_run_killed_anywhere_goes_on_and_counts_everything_once(upload, statement, chunk):
    seen, wanted = [], getattr(import_sql, statement)

    def kill(execute, sql, params, many, context):
        seen.extend([sql] * (sql == wanted))
        if sql == wanted and len(seen) == chunk:
            # As a killed process leaves it: the session ends in the middle of the transaction.
            execute("SELECT pg_terminate_backend(pg_backend_pid())", None, many, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(kill), pytest.raises(OperationalError):
        imports.run_import(now=NOW, upload_id=upload.pk)
    connection.close()
    upload.refresh_from_db()
    assert (upload.state, upload.done_rows) == ("running", 10 * (chunk - 1))
    finish(upload)


def test_an_error_of_ours_is_told_and_the_import_can_go_on(upload, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(import_sql, "REPORT", "SELECT 1 / 0")
        with pytest.raises(DataError):
            imports.run_import(now=NOW, upload_id=upload.pk)
    upload.refresh_from_db()
    assert (upload.state, upload.done_rows) == ("failed", 0)
    assert "start it again" in upload.error
    assert imports.start(upload_id=upload.pk)
    finish(upload)


def test_two_runs_at_once_are_one(upload):
    results = []

    def run():
        try:
            results.append(imports.run_import(now=NOW, upload_id=upload.pk))
        finally:
            connections.close_all()

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [imports._LOCK, upload.pk])
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(20)
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [imports._LOCK, upload.pk])
    assert results == [False]
    assert Import.objects.get().done_rows == 0
    finish(upload)


def test_somebody_who_leaves_while_the_file_is_taken_has_left(tmp_path, upload):
    news = upload.list
    person = reader("p5@x.example")
    locked, leave_now = threading.Event(), threading.Event()

    def leave():
        from django.db import transaction

        try:
            with transaction.atomic():
                consent.unsubscribe(now=NOW, subscriber_id=person.pk, list_ids=[news.pk], source="one-click")
                locked.set()
                leave_now.wait(20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=leave)
    thread.start()
    assert locked.wait(20)
    # The import meets the person's lock, waits, and then sees that they left.
    timer = threading.Timer(0.5, leave_now.set)
    timer.start()
    imports.run_import(now=NOW + DAY, upload_id=upload.pk)
    thread.join(20)
    upload.refresh_from_db()
    assert (upload.state, upload.n_kept_out) == ("done", 1)
    assert not Subscription.objects.filter(subscriber=person).exists()
    assert suppressions("p5@x.example") == {(f"list:{news.pk}", "unsubscribed")}
    assert_events_tell_the_rows(person)


def test_the_sweep_wakes_what_should_run_and_nothing_else(upload, monkeypatch):
    woken: list[int] = []
    monkeypatch.setattr(tasks.run_import, "delay", woken.append)
    Import.objects.create(file_name="waits for a decision.csv")
    tasks.resume_imports()
    assert woken == [upload.pk]
    tasks.run_import(upload.pk)
    tasks.resume_imports()
    assert woken == [upload.pk]


def test_two_hundred_one_click_posts_at_once_leave_once():
    news = make_list()
    person = reader("jane@x.example", news)
    results = []

    def post():
        try:
            for _ in range(25):
                left = consent.unsubscribe(now=NOW, subscriber_id=person.pk, list_ids=[news.pk], source="one-click")
                results.append(left.changed)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(results), sum(results)) == (200, 1)
    assert_events_tell_the_rows(person)
