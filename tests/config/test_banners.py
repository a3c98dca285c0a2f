"""What the top of every page says while something is wrong."""

import pytest
from django.urls import reverse

from sending import partitions
from tests import visitors

pytestmark = pytest.mark.django_db


def test_admins_are_told_that_the_next_part_of_the_tables_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_latest", lambda cursor: 900_001)
    admin, colleague = visitors.admin(), visitors.colleague()
    said = "No room is made ahead"
    assert said in admin.get(reverse("routes")).content.decode()
    assert said not in colleague.get(reverse("home")).content.decode()
    partitions.make_ahead()
    assert said not in admin.get(reverse("routes")).content.decode()
