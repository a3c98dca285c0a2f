"""/campaigns/"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from audiences.access import acting
from campaigns import edit
from campaigns.forms import NameForm
from campaigns.listing import TABS, page_of_campaigns, tab_counts


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    tab, q, after = request.GET.get("status", ""), request.GET.get("q", "").strip(), request.GET.get("after", "")
    tab = tab if tab in TABS else ""
    page = page_of_campaigns(tab=tab, q=q, after=int(after) if after.isdecimal() and len(after) < 19 else 0)
    counts = tab_counts()
    tabs = [(key, gettext(words), counts[key]) for key, words in TABS.items()]
    context = {"nav": "campaigns", "tab": tab, "tab_words": gettext(TABS[tab]), "q": q, "page": page, "tabs": tabs}
    return render(request, "campaigns/list.html", context)


def new(request: HttpRequest) -> HttpResponse:
    form = NameForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        made = edit.create(now=now, name=form.cleaned_data["name"], by=acting(request))
        return redirect("campaign", made.pk)
    context = {"nav": "campaigns", "form": form}
    return render(request, "campaigns/new.html", context, status=422 if form.errors else 200)
