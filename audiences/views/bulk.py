"""/people/bulk/: something done with all people a search found."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from audiences import bulk, scopes
from audiences.access import acting
from audiences.choosing import STATES, Chosen, count
from audiences.forms import BulkAddForm, BulkForm, BulkLeaveForm, BulkSuppressForm
from audiences.models import BulkJob, MailingList, PersonField
from audiences.tasks import run_bulk
from audiences.wake import wake

Action, State = BulkJob.Action, BulkJob.State
FORMS: dict[str, type[BulkForm]] = {
    Action.EXPORT: BulkForm,
    Action.ADD: BulkAddForm,
    Action.UNSUBSCRIBE: BulkLeaveForm,
    Action.SUPPRESS: BulkSuppressForm,
}


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """All who were found, and what may be done with them."""
    return _page(request, Chosen.of(request.GET.dict()))


def _page(request: HttpRequest, chosen: Chosen, status: int = 200, **refused: forms.Form) -> HttpResponse:
    total = count(chosen)
    made = {action: kind(total=total, auto_id=f"{action}_%s") for action, kind in FORMS.items()}
    context = {
        "nav": "people",
        "chosen": chosen,
        "words": _words(chosen),
        "total": total,
        "sample": chosen.people().order_by("-pk")[:5],
        "forms": {**made, **refused},
        "jobs": BulkJob.objects.select_related("created_by")[:5],
    }
    return render(request, "audiences/bulk.html", context, status=status)


def _words(chosen: Chosen) -> list[str]:
    """The search, said in words."""
    name = MailingList.objects.filter(pk=chosen.list).values_list("name", flat=True).first() if chosen.list else ""
    label = PersonField.objects.filter(key=chosen.field).values_list("label", flat=True).first() or chosen.field
    said = [
        _("address or name begins with “%(q)s”") % {"q": chosen.q} if chosen.q else "",
        _("on “%(list)s”") % {"list": name} if name else "",
        _(STATES[chosen.state]).lower() if chosen.state else "",
        (_("%(field)s is “%(value)s”") if chosen.value else _("%(field)s is empty"))
        % {"field": label, "value": chosen.value}
        if chosen.field
        else "",
    ]
    return [one for one in said if one]


@require_POST
def start(request: HttpRequest, action: str) -> HttpResponse:
    if action not in FORMS:
        raise Http404("There is no such action.")
    chosen = Chosen.of(request.GET.dict())
    form = FORMS[action](request.POST, total=count(chosen), auto_id=f"{action}_%s")
    if not form.is_valid():
        return _page(request, chosen, 422, **{action: form})
    now = timezone.now()  # clock: entry
    job = bulk.begin(now=now, action=action, chosen=chosen, terms=_terms(form), user_id=acting(request).pk)
    wake(run_bulk, job.pk)
    return redirect("bulk-job", job.pk)


def _terms(form: forms.Form) -> dict[str, Any]:
    given = form.cleaned_data
    wanted: MailingList | None = given.get("list")
    kept: dict[str, Any] = {name: given[name] for name in ("basis", "note", "scope") if name in given}
    fields = list(PersonField.objects.values_list("key", flat=True))
    return {**kept, "list": wanted.pk if wanted else None, "fields": fields}


@require_safe
def show(request: HttpRequest, job_id: int) -> HttpResponse:
    return render(request, "audiences/bulk_job.html", {"nav": "people", **_about(job_id)})


def _about(job_id: int) -> dict[str, Any]:
    job = get_object_or_404(BulkJob.objects.select_related("created_by"), pk=job_id)
    now = timezone.now()  # clock: entry
    has_file = job.action == Action.EXPORT and job.state == State.DONE and bulk.file_of(job).path.exists()
    return {
        "job": job,
        "words": _words(Chosen.of(job.chosen)),
        "can_undo": bulk.can_be_undone(job, now=now),
        "can_go_on": bulk.can_go_on(job, now=now),
        "has_file": has_file,
        "scope": dict(scopes.choices()).get(job.terms.get("scope", ""), job.terms.get("scope", "")),
        "list": MailingList.objects.filter(pk=job.terms.get("list")).first(),
    }


@require_safe
def progress(request: HttpRequest, job_id: int) -> HttpResponse:
    """The part that polls; 286 ends it."""
    about = _about(job_id)
    page = render(request, "audiences/bulk_job.html#progress", about)
    if about["job"].state in bulk.UNDER_WAY:
        return page
    done = HttpResponseStopPolling(page.content)
    done["HX-Refresh"] = "true"
    return done


@require_POST
def undo(request: HttpRequest, job_id: int) -> HttpResponse:
    if bulk.undo(now=timezone.now(), job_id=job_id):  # clock: entry
        wake(run_bulk, job_id)
    else:
        messages.error(request, _("This can no longer be taken back."))
    return redirect("bulk-job", job_id)


@require_POST
def go_on(request: HttpRequest, job_id: int) -> HttpResponse:
    """With one that stopped at an error of ours."""
    if bulk.go_on(now=timezone.now(), job_id=job_id):  # clock: entry
        wake(run_bulk, job_id)
    return redirect("bulk-job", job_id)


@require_safe
def download(request: HttpRequest, job_id: int) -> FileResponse:
    """For whoever asked for it."""
    job = get_object_or_404(BulkJob, pk=job_id, action=Action.EXPORT, state=State.DONE, created_by=acting(request))
    file = bulk.file_of(job)
    if not file.path.exists():
        raise Http404("The file is gone: exports are kept for a week.")
    return FileResponse(file.path.open("rb"), as_attachment=True, filename=file.name)
