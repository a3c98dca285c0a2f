from datetime import datetime

import pytest

from sending.models import Batch, Outcome
from tests.sending.engine import assert_books_balance, cut, kinds, mailing_to, send
from tests.sending.scripted_receiver import receiving

pytestmark = pytest.mark.usefixtures("engine")


def test_a_mailing_goes_out_exactly_once_over_several_connections(now: datetime, settings) -> None:
    mailing = mailing_to(300, now=now)
    with receiving() as receiver:
        settings.SMTP_PORT = receiver.port
        errors = send(cut(mailing, now=now, size=40), now=now)

    assert errors == []
    assert kinds(mailing) == {"accepted": 300}
    assert len(receiver.accepted) == 300 and set(receiver.accepted.values()) == {1}
    assert set(Batch.objects.values_list("state", "end_reason")) == {("done", "sent")}
    assert set(Outcome.objects.values_list("remote_id", flat=True)) == {"Q1"}
    assert_books_balance(mailing)
