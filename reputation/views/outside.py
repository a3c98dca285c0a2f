"""/outside/: what receivers report about our mail."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from reputation import outside_figures, taking_reports
from reputation.models import OutsideReport, RefusedFile
from reputation.pure.report_files import LARGEST

SHOWN_ROWS = 500


class Several(forms.FileInput):
    allow_multiple_selected = True


class Files(forms.FileField):
    """A field with a list of files: each must be one."""

    def clean(self, value: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        return [super(Files, self).clean(file, initial) for file in value or [None]]


class UploadForm(forms.Form):
    reports = Files(
        label=_("Reports"),
        help_text=_("DMARC (XML) and TLS (JSON) as they came, packed or not; several at once."),
        widget=Several(attrs={"accept": ".xml,.json,.gz,.zip"}),
        error_messages={"required": _("Choose a file first."), "empty": _("The file is empty.")},
    )


def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()  # clock: entry
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        for file in form.cleaned_data["reports"]:
            _take(request, file)
        return redirect("outside")
    context = _told(now, request.GET.get("by", "")) | {"nav": "outside", "form": form}
    return render(request, "reputation/outside.html", context, status=422 if form.errors else 200)


def _told(now: datetime, organisation: str) -> dict[str, Any]:
    latest = outside_figures.latest(organisation=organisation)
    return {
        "told": outside_figures.by_receiver(now=now),
        "sources": outside_figures.sources(now=now),
        "tls": outside_figures.tls(now=now),
        "latest": latest,
        "has_unproven": any(not row.proven for row, _messages, _passed in latest),
        "by": organisation,
        "refused": RefusedFile.objects.defer("raw")[:20],
    }


def _take(request: HttpRequest, file: UploadedFile[bytes]) -> None:
    now = timezone.now()  # clock: entry
    # One octet over the limit is enough to be refused.
    taken = taking_reports.upload(now=now, name=str(file.name), data=file.read(LARGEST + 1))
    (messages.success if taken.report else messages.error)(request, taken.words)


@require_safe
def report(request: HttpRequest, report_id: int) -> HttpResponse:
    row = get_object_or_404(OutsideReport.objects.defer("raw"), pk=report_id)
    context = {
        "nav": "outside",
        "report": row,
        "dmarc": row.dmarc.order_by("-messages", "pk")[:SHOWN_ROWS],
        "tls": row.tls.order_by("pk")[:SHOWN_ROWS],
    }
    return render(request, "reputation/outside_report.html", context)


@require_safe
def refused(request: HttpRequest, file_id: int) -> HttpResponse:
    """A file that could not be read, as it came: never shown by the browser."""
    row = get_object_or_404(RefusedFile, pk=file_id)
    answer = HttpResponse(bytes(row.raw), content_type="application/octet-stream")
    answer.headers["Content-Disposition"] = 'attachment; filename="refused.bin"'
    return answer
