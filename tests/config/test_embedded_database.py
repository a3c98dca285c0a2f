import pytest
from django.db import connection


@pytest.mark.django_db
def test_the_tests_talk_to_a_real_postgresql_with_checksums() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('data_checksums'), current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on", "on")
