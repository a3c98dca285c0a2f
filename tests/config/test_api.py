"""The API: who may ask, how often, and that it says what the review page says."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.preflight import preflight
from config import api_tokens
from config.models import ApiToken, Member, TeamChange
from config.roles import Role
from reputation.models import Workspace
from tests.campaigns.world import ready_campaign
from tests.visitors import member, visitor

pytestmark = pytest.mark.django_db


def token_of(name: str = "vera", role: Role = Role.VIEWER) -> str:
    made = api_tokens.make(now=timezone.now(), user=member(name, role), name="release")
    assert made
    return made


def ask(token: str, campaign_id: int, **headers: str) -> Any:
    given = {"Authorization": f"Bearer {token}", **headers}
    return Client(enforce_csrf_checks=True).post(f"/api/campaigns/{campaign_id}/preflight", headers=given)


@pytest.fixture
def campaign() -> Campaign:
    return ready_campaign(timezone.now())


def test_it_says_what_the_review_page_says(campaign: Campaign) -> None:
    Workspace.objects.update(postal_address="")
    answer = ask(token_of(), campaign.pk)
    assert answer.status_code == 200
    told = answer.json()
    found = preflight(now=timezone.now(), campaign=campaign)
    quiet = [row for row in told["findings"] if row["id"] != "when.quiet"]
    assert [(row["id"], row["severity"], row["sentence"], row["where"], row["line"]) for row in quiet] == [
        (row.id, row.level.value, row.sentence, row.place.value, row.line) for row in found
    ]
    assert not told["ready"] and told["counts"]["must"] >= 1
    assert "footer.address" in {row["id"] for row in told["findings"] if row["severity"] == "must"}
    assert (told["campaign"]["id"], told["people"]["recipients"]) == (campaign.pk, told["people"]["chosen"])
    assert told["page"].endswith(f"/campaigns/{campaign.pk}/review/")


def test_what_it_cannot_do_it_says_as_json(campaign: Campaign) -> None:
    token, now = token_of(), timezone.now()
    assert ask(token, 987654).status_code == 404
    answer = Client().get(f"/api/campaigns/{campaign.pk}/preflight", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", scheduled_for=now, undo_until=now)
    assert launch(now=now, campaign_id=campaign.pk)
    answer = ask(token, campaign.pk)
    assert answer.status_code == 409 and "left already" in answer.json()["error"]


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer lp_x", "Bearer lp_00000000_nothing", "Bearer é"])
def test_without_a_token_that_works_nobody_comes_in(campaign: Campaign, header: str) -> None:
    answer = Client().post(f"/api/campaigns/{campaign.pk}/preflight", headers={"Authorization": header})
    assert answer.status_code == 401 and "token" in answer.json()["error"]


def test_a_session_is_no_token(campaign: Campaign) -> None:
    assert visitor("mara", Role.ADMIN).post(f"/api/campaigns/{campaign.pk}/preflight").status_code == 401


def test_a_damaged_a_revoked_and_an_outsiders_token_are_refused(campaign: Campaign) -> None:
    token = token_of()
    flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert ask(flipped, campaign.pk).status_code == 401
    assert ask(token, campaign.pk).status_code == 200

    User.objects.filter(username="vera").update(is_active=False)
    assert ask(token, campaign.pk).status_code == 401
    User.objects.filter(username="vera").update(is_active=True)
    Member.objects.filter(user__username="vera").delete()
    assert ask(token, campaign.pk).status_code == 403

    other = token_of("mike", Role.MARKETER)
    row = ApiToken.objects.get(user__username="mike")
    stranger = member("sam", Role.ADMIN)
    assert not api_tokens.revoke(now=timezone.now(), user=stranger, token_id=row.pk)
    assert api_tokens.revoke(now=timezone.now(), user=row.user, token_id=row.pk)
    assert ask(other, campaign.pk).status_code == 401


def test_the_secret_is_kept_as_a_hash_only_and_what_happened_is_written_down(campaign: Campaign) -> None:
    token = token_of()
    row = ApiToken.objects.get()
    secret = token.split("_", 2)[2]
    assert secret.encode() not in bytes(row.secret_hash) and len(bytes(row.secret_hash)) == 32
    assert row.last_used_at is None
    ask(token, campaign.pk)
    row.refresh_from_db()
    assert row.last_used_at is not None
    api_tokens.revoke(now=timezone.now(), user=row.user, token_id=row.pk)
    said = [change.what for change in TeamChange.objects.filter(what__contains="API token")]
    assert len(said) == 2 and not any(secret in what for what in said)


def test_so_many_a_minute_and_then_again(now: datetime) -> None:
    header = f"Bearer {token_of()}"
    for _ in range(api_tokens.A_MINUTE):
        api_tokens.owner_of(now=now, authorization=header)
    with pytest.raises(api_tokens.Refused, match="Wait a minute") as refused:
        api_tokens.owner_of(now=now, authorization=header)
    assert refused.value.status == 429
    assert api_tokens.owner_of(now=now + timedelta(minutes=1), authorization=header).username == "vera"


def test_where_all_need_a_second_factor_a_token_does_too(campaign: Campaign) -> None:
    token = token_of()
    Workspace.objects.update(second_factor_required=True)
    answer = ask(token, campaign.pk)
    assert answer.status_code == 403 and "second factor" in answer.json()["error"]


def test_on_the_account_page_a_token_is_shown_once_and_revoked(campaign: Campaign) -> None:
    client = visitor("mike", Role.MARKETER)
    page = client.post("/account/tokens/", {"name": "release"})
    token = page.context["token"]
    assert token in page.content.decode() and "no-store" in page.headers["Cache-Control"]
    assert ask(token, campaign.pk).status_code == 200
    again = client.get("/account/tokens/").content.decode()
    assert token not in again and "release" in again
    client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert ask(token, campaign.pk).status_code == 401
    assert client.post("/account/tokens/", {"name": ""}).status_code == 422


def test_there_are_not_more_tokens_than_somebody_can_look_after(now: datetime) -> None:
    user = member("mike", Role.MARKETER)
    for n in range(api_tokens.AT_MOST):
        assert api_tokens.make(now=now, user=user, name=f"{n}")
    assert api_tokens.make(now=now, user=user, name="one more") is None
    assert "Revoke one first" in visitor("mike", Role.MARKETER).post("/account/tokens/", {"name": "x"}).content.decode()
