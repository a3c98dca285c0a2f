from datetime import datetime

import pytest

from sending.undo_imports import chosen_for_mail
from tests.cast import newsletter, people, pressed

pytestmark = pytest.mark.django_db


def test_whoever_a_mailing_was_meant_for_is_known(now: datetime) -> None:
    mailed = people(2, on=newsletter())
    pressed(now, newsletter())
    other = people(1, prefix="other")

    keys = {person.address_key for person in mailed}

    assert chosen_for_mail([person.address_key for person in [*mailed, *other]]) == keys
