from collections.abc import Iterator

import pytest


@pytest.fixture
def engine(transactional_db: None, settings) -> Iterator[None]:
    """The engine on committed rows. Tables that Django does not manage are emptied here, not by its flush."""
    from django.db import connection

    from sending import here

    settings.SMTP_CONNECT_TIMEOUT = 2.0
    settings.SMTP_COMMAND_TIMEOUT = 2.0
    settings.SMTP_DOT_TIMEOUT = 2.0
    _forget()
    yield
    here.close()
    _forget()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE sending_delivery, sending_outcome, sending_worker")


def _forget() -> None:
    from sending import crashes, draining, flight_recorder, hearing, letters

    # What the killed workers of other tests had in hand.
    with flight_recorder.of_the_dead(crashes.folder()):
        pass
    draining.forget()
    hearing.forget()
    letters._prepared.cache_clear()
