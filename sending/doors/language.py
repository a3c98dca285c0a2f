"""Which language a recipient's page speaks: the person's, their lists', the browser's, or the workspace's."""

from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import get_language_from_request, get_supported_language_variant

from audiences.models import MailingList, Subscriber, Subscription
from reputation.workspace import workspace


def language_for(request: HttpRequest, *, subscriber_id: int | None = None, list_ids: Iterable[int] = ()) -> str:
    """A code of settings.LANGUAGES. Lists count where they agree: the named ones, else those the person is on."""
    wanted = _wanted(subscriber_id, list_ids) if subscriber_id is not None else []
    return (
        first_spoken([*wanted, *_of_browser(request)]) or first_spoken([workspace().language]) or settings.LANGUAGE_CODE
    )


def of_browser(request: HttpRequest) -> str:
    """What can be said without the database."""
    return first_spoken(_of_browser(request)) or settings.LANGUAGE_CODE


def first_spoken(codes: Iterable[str]) -> str:
    """The first that we speak, or its nearest relation (`pt` is `pt-br`, `de-AT` is `de`); empty when there is none."""
    for code in codes:
        try:
            return get_supported_language_variant(code.replace("_", "-").lower())
        except LookupError:
            continue
    return ""


def _wanted(subscriber_id: int, list_ids: Iterable[int]) -> list[str]:
    own = Subscriber.objects.filter(pk=subscriber_id).values_list("language", flat=True).first()
    if own:
        return [own]
    named = list(list_ids)
    theirs = Subscription.objects.filter(subscriber=subscriber_id).values_list("list__language", flat=True)
    lists = MailingList.objects.filter(pk__in=named).values_list("language", flat=True)
    of_lists = set(lists if named else theirs)
    return list(of_lists) if len(of_lists) == 1 else []


def _of_browser(request: HttpRequest) -> list[str]:
    """Nothing where the browser does not say: Django's own answer is then the language of the site."""
    return [get_language_from_request(request)] if request.headers.get("Accept-Language") else []
