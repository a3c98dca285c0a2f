"""The steps of setting up on the first page, and sample data to try things out with."""

import pytest
from django.urls import reverse

from audiences import sample
from audiences.keys import key_of
from audiences.models import MailingList, Subscriber, Suppression
from audiences.suppress import CannotLift, lift
from campaigns.models import Campaign
from config.roles import Role
from tests.audiences.cast import NOW, breakdown, reader
from tests.visitors import admin, colleague, visitor

pytestmark = pytest.mark.django_db


def home(client):
    return client.get(reverse("home")).content.decode()


def test_the_steps_are_hidden_for_whoever_asks_and_for_nobody_else():
    client = colleague()
    assert "Setting up" in home(client)
    client.post(reverse("setup-hide"))
    assert "Setting up" not in home(client)
    assert "Setting up" in home(admin())


def test_a_step_ticks_itself_when_it_was_done_elsewhere():
    from audiences.models import Subscription
    from tests.audiences.cast import make_list

    def ticks(client):
        return [step.done for step in client.get(reverse("home")).context["steps"]]

    client = colleague()
    before = ticks(client)
    reader("jane@x.example", make_list())
    assert Subscription.objects.exists()
    assert sum(ticks(client)) == sum(before) + 1


def test_a_viewer_sees_the_steps_and_no_actions():
    page = home(visitor("vera", Role.VIEWER))
    assert "Setting up" in page
    assert "Try with sample data" not in page
    assert "Hide this" not in page


def test_nothing_polls_unless_something_is_sending():
    assert "data-poll" not in home(colleague())


def test_the_first_page_costs_few_queries_however_many_campaigns_there_are(django_assert_max_num_queries):
    client = colleague()
    Campaign.objects.bulk_create(
        Campaign(name=f"Campaign {number}", created_at=NOW, updated_at=NOW) for number in range(300)
    )
    with django_assert_max_num_queries(40):
        home(client)


def test_sample_people_can_never_be_mailed():
    colleague().post(reverse("sample-new"))
    made = MailingList.objects.get(is_sample=True)
    total, mailable = breakdown(included=[made.pk], scopes=["*", "stream:marketing"])
    assert (total, mailable) == (40, 0)
    assert breakdown(included=[made.pk], scopes=["*", "stream:transactional"]).mailable == 0
    with pytest.raises(CannotLift, match="sample data"):
        lift(now=NOW, address_key=key_of("ada.berg@sample.example"), scope="*", actor="admin", reason="let me")


def test_sample_people_are_made_once():
    client = colleague()
    for _ in range(2):
        client.post(reverse("sample-new"))
    assert MailingList.objects.count() == 1
    assert "Sample people" in home(client)


def test_sample_people_are_removed_with_all_they_left_and_nobody_else():
    jane = reader("jane@x.example")
    client = colleague()
    client.post(reverse("sample-new"))
    made = MailingList.objects.get()
    assert "never mailed" in client.get(reverse("list", args=[made.pk])).content.decode()

    client.post(reverse("sample-remove", args=[made.pk]))

    assert list(Subscriber.objects.all()) == [jane]
    assert not MailingList.objects.exists()
    assert not Suppression.objects.exists()


def test_a_sample_list_that_something_names_is_put_away(tmp_path):
    from audiences.models import Import

    made = sample.add(now=NOW)
    Import.objects.create(list=made, file_name="x.csv")

    sample.remove(now=NOW, list_id=made.pk)

    made.refresh_from_db()
    assert made.archived_at == NOW
    assert not made.is_sample
    assert sample.add(now=NOW).pk != made.pk


def test_a_real_list_is_not_removed_like_that():
    from tests.audiences.cast import make_list

    assert colleague().post(reverse("sample-remove", args=[make_list().pk])).status_code == 404
