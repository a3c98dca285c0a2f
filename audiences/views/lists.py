"""/lists/"""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audiences import lists, sample
from audiences.choosing import Chosen
from audiences.forms import ListForm
from audiences.models import MailingList
from audiences.paging import page_of_people

GROWTH_DAYS = 30


def index(request: HttpRequest) -> HttpResponse:
    since = timezone.now() - timedelta(days=GROWTH_DAYS)  # clock: entry
    rows = list(MailingList.objects.with_sizes(since))
    in_use = [row for row in rows if row.archived_at is None]
    archived = [row for row in rows if row.archived_at is not None]
    return render(request, "audiences/lists.html", {"nav": "lists", "lists": in_use, "archived": archived})


def new(request: HttpRequest) -> HttpResponse:
    form = ListForm(request.POST or None)
    if form.is_valid():
        made = form.save()
        messages.success(request, _("The list “%(name)s” is there. Now it needs people.") % {"name": made.name})
        return redirect("list", made.pk)
    context = {"nav": "lists", "form": form}
    return render(request, "audiences/list_form.html", context, status=422 if form.errors else 200)


def show(request: HttpRequest, list_id: int) -> HttpResponse:
    mailing_list = get_object_or_404(MailingList.objects.with_sizes(), pk=list_id)
    beginning, after = request.GET.get("q", "").strip(), request.GET.get("after", "")
    page = page_of_people(Chosen(q=beginning, list=list_id), after=after)
    context = {"nav": "lists", "list": mailing_list, "page": page, "q": beginning}
    return render(request, "audiences/list.html", context)


def edit(request: HttpRequest, list_id: int) -> HttpResponse:
    mailing_list = get_object_or_404(MailingList, pk=list_id)
    name, version = mailing_list.name, mailing_list.wording_version
    form = ListForm(request.POST or None, instance=mailing_list)
    if form.is_valid():
        row = lists.revise(list_id=list_id, values=form.cleaned_data)
        said = f" The wording is version {row.wording_version} now." if row.wording_version > version else ""
        messages.success(request, _("Saved.%(said)s") % {"said": said})
        return redirect("list", list_id)
    context = {"nav": "lists", "form": form, "list": mailing_list, "list_name": name}
    return render(request, "audiences/list_form.html", context, status=422 if form.errors else 200)


@require_POST
def add_sample(request: HttpRequest) -> HttpResponse:
    made = sample.add(now=timezone.now())  # clock: entry
    said = _("Forty people who do not exist. Write to them as you like: nothing is ever sent to them.")
    messages.success(request, said)
    return redirect("list", made.pk)


@require_POST
def remove_sample(request: HttpRequest, list_id: int) -> HttpResponse:
    get_object_or_404(MailingList, pk=list_id, is_sample=True)
    sample.remove(now=timezone.now(), list_id=list_id)  # clock: entry
    messages.success(request, _("The sample people are gone."))
    return redirect("home")


@require_POST
def archive(request: HttpRequest, list_id: int) -> HttpResponse:
    mailing_list = get_object_or_404(MailingList, pk=list_id)
    now = timezone.now()  # clock: entry
    if lists.archive(now=now, list_id=list_id):
        messages.success(
            request,
            _("“%(name)s” is archived. Nobody was removed; you can take it back.") % {"name": mailing_list.name},
        )
    return redirect("lists")


@require_POST
def restore(request: HttpRequest, list_id: int) -> HttpResponse:
    get_object_or_404(MailingList, pk=list_id)
    lists.restore(list_id=list_id)
    return redirect("list", list_id)
