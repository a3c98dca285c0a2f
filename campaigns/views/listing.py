"""/campaigns/"""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from audiences.access import acting
from audiences.models import MailingList
from campaigns import edit, listing, saved_views
from campaigns.forms import NameForm
from campaigns.listing import EMPTY, TABS, Asked
from campaigns.pure.month import Month, between_days
from reputation.workspace import today, zone
from words.typed import whole

# A page has fewer rows than that.
MOST = 100


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What is asked for stands in the address, so that a look can be kept and passed on."""
    asked = _asked(request.GET)
    page, counts = listing.page_of_campaigns(asked), listing.tab_counts()
    context = {
        **_choices(asked),
        "page": page,
        "tabs": [(key, gettext(words), counts[key]) for key, words in TABS.items()],
        "query": _query(request.GET, without=("after",)),
        "of_tab": _query(request.GET, without=("after", "status")),
        "views": saved_views.views_of(acting(request)),
        "look": saved_views.query_of(request.GET),
        "empty": EMPTY.get(asked.tab),
        "moving": [row.campaign.pk for row in page.rows if listing.is_moving(row)],
    }
    return render(request, "campaigns/list.html", context)


@require_safe
def calendar(request: HttpRequest) -> HttpResponse:
    """A month of what was sent, is being sent or will be."""
    asked, here = _asked(request.GET), zone()
    now = timezone.now()  # clock: entry
    month = Month.said(request.GET.get("month", ""), today(now, here))
    days = listing.by_day(asked, month, here)
    context = {
        **_choices(asked),
        "month": month,
        "today": today(now, here),
        "weeks": [[(day, days.get(day, [])) for day in week] for week in month.weeks],
        "timed": sum(map(len, days.values())),
        "query": _query(request.GET, without=("month",)),
    }
    return render(request, "campaigns/calendar.html", context)


def _choices(asked: Asked) -> dict[str, object]:
    """What the filters offer."""
    return {
        "nav": "campaigns",
        "asked": asked,
        "owners": listing.owners(),
        "lists": MailingList.objects.in_use(),
        "tags": listing.tags_in_use(),
    }


def _query(given: QueryDict, without: Sequence[str]) -> str:
    kept = given.copy()
    for name in without:
        kept.pop(name, None)
    return kept.urlencode()


def _asked(given: QueryDict) -> Asked:
    tab = given.get("status", "")
    days = between_days(given.get("from", ""), given.get("to", ""))
    return Asked(
        tab=tab if tab in TABS else "",
        q=given.get("q", "").strip()[:200],
        owner=whole(given.get("owner", "")),
        list_id=whole(given.get("list", "")),
        tag=given.get("tag", "").strip().lower()[:40],
        since=days[0],
        until=days[1],
        after=whole(given.get("after", "")),
    )


@require_POST
def keep_view(request: HttpRequest) -> HttpResponse:
    query = request.POST.get("query", "")[:8000]
    try:
        view = saved_views.keep(user=acting(request), name=request.POST.get("name", ""), query=query)
    except saved_views.NotKept as error:
        messages.error(request, str(error))
    else:
        messages.success(request, gettext("“%(name)s” is kept for you.") % {"name": view.name})
    return redirect(f"{reverse('campaigns')}?{saved_views.query_of(QueryDict(query))}")


@require_POST
def forget_view(request: HttpRequest) -> HttpResponse:
    saved_views.forget(user=acting(request), view_id=whole(request.POST.get("view", "")))
    return redirect("campaigns")


@require_safe
def moving(request: HttpRequest) -> HttpResponse:
    """The cells of rows under way, each put in its place; what has the focus is not among them. 286 ends it."""
    ids = [number for text in request.GET.get("ids", "").split(",")[:MOST] if (number := whole(text))]
    rows = listing.moving(ids)
    part = render(request, "campaigns/list.html#cells", {"rows": rows})
    return part if any(map(listing.is_moving, rows)) else HttpResponseStopPolling(part.content)


@require_POST
def archive(request: HttpRequest) -> HttpResponse:
    """Those ticked: out of the way, or back."""
    ids = [number for text in request.POST.getlist("campaign")[:MOST] if (number := whole(text))]
    now = timezone.now()  # clock: entry
    back = "back" in request.POST
    n = edit.bring_back(campaign_ids=ids) if back else edit.archive(now=now, campaign_ids=ids)
    kept = len(ids) - n
    if not ids:
        messages.info(request, gettext("Tick some campaigns first."))
    elif back:
        messages.success(request, ngettext("%(n)s is back.", "%(n)s are back.", n) % {"n": n})
    else:
        done = gettext("%(n)s archived. The numbers stay.") % {"n": n}
        rest = gettext("What is scheduled or under way was left where it is.") if kept else ""
        messages.success(request, f"{done} {rest}".strip())
    return redirect(f"{reverse('campaigns')}?{request.POST.get('query', '')[:500]}")


def new(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        made = edit.create(now=now, name=form.cleaned_data["name"], by=acting(request))
        return redirect("campaign", made.pk)
    context = {"nav": "campaigns", "form": form}
    return render(request, "campaigns/new.html", context, status=422 if form.errors else 200)
