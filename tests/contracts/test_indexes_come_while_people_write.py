"""A new index on a large table is made CONCURRENTLY: a plain one keeps everybody from writing until it is ready."""

from django.db.migrations import AddIndex, CreateModel
from django.db.migrations.loader import MigrationLoader

# Rows by the person, the message or the line of a file.
LARGE = {
    "audiences": {
        "subscriber",
        "subscription",
        "consentevent",
        "suppression",
        "softfailure",
        "importrejection",
        "importedperson",
        "personchange",
    },
    "sending": {"batch", "event", "excluded", "inbound", "outcome", "requeue", "reply"},
}
# Made before the first release: no table had anybody in it.
BEFORE_THE_FIRST_RELEASE = {
    ("audiences", "0004_pauses", "suppression_ends"),
    ("audiences", "0007_people_in_bulk", "subscriber_first_name"),
    ("audiences", "0007_people_in_bulk", "subscriber_last_name"),
    ("audiences", "0007_people_in_bulk", "subscriber_field_values"),
    ("audiences", "0010_imports_of_person", "imports_of_person"),
    ("sending", "0003_batches_that_ended", "batch_ended"),
    ("sending", "0005_who_is_first_in_line", "requeue_waiting"),
    ("sending", "0006_counts_of_links", "events_of_mailing"),
    ("sending", "0015_mail_nobody_could_read", "inbound_unread"),
}


def plain_indexes() -> set[tuple[str, str, str]]:
    """App, migration and index, where the table was there before and writing to it stops."""
    found = set()
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        made_here = {one.name_lower for one in migration.operations if isinstance(one, CreateModel)}
        for one in migration.operations:
            # Exactly: AddIndexConcurrently is a kind of it.
            if type(one) is AddIndex and one.model_name.lower() in LARGE.get(app, set()) - made_here:
                found.add((app, name, one.index.name))
    return found


def test_no_new_migration_stops_writing_to_a_large_table() -> None:
    new = sorted(plain_indexes() - BEFORE_THE_FIRST_RELEASE)
    assert not new, f"use AddIndexConcurrently, in a migration of its own with atomic = False: {new}"


def test_the_list_of_exceptions_names_none_that_is_gone() -> None:
    assert plain_indexes() >= BEFORE_THE_FIRST_RELEASE
