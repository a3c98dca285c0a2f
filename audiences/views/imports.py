"""/people/imports/"""

from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling, trigger_client_event

from audiences import imports, trials, undoing
from audiences.access import acting
from audiences.forms import ImportForm, ReadingForm, UploadForm
from audiences.import_files import BadFile, Preview, look, receive
from audiences.models import Import, MailingList
from audiences.reading import read_as, settle
from audiences.tasks import run_import
from audiences.wake import wake
from words import number
from words.typed import whole

State = Import.State
# The rows shown on the page; all of them are in the CSV.
SHOWN = 100
TOLD_EVERY = 50_000


def index(request: HttpRequest) -> HttpResponse:
    rows = Import.objects.select_related("list", "created_by")[:100]
    return render(request, "audiences/imports.html", {"nav": "people", "imports": rows})


def new(request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        try:
            return redirect("import", _receive(request, form.cleaned_data).pk)
        except BadFile as error:
            form.add_error("file" if form.cleaned_data["file"] else "pasted", str(error))
    context = {"nav": "people", "form": form}
    return render(request, "audiences/import_new.html", context, status=422 if form.errors else 200)


def _receive(request: HttpRequest, given: dict[str, Any]) -> Import:
    wanted = MailingList.objects.filter(pk=whole(request.GET.get("list", ""))).first()
    file: UploadedFile[bytes] | None = given["file"]
    return receive(
        chunks=file.chunks() if file else [given["pasted"].encode()],
        file_name=(file.name or "") if file else "pasted rows",
        list_id=wanted.pk if wanted else None,
        user_id=acting(request).pk,
    )


@require_safe
def show(request: HttpRequest, upload_id: int) -> HttpResponse:
    upload = get_object_or_404(Import.objects.select_related("list", "created_by"), pk=upload_id)
    if upload.state == State.UPLOADED or (upload.state == State.CHECKED and "change" in request.GET):
        return _check_page(request, upload, None)
    if upload.state in (State.CHECKING, State.CHECKED):
        return render(request, "audiences/import_trial.html", {"nav": "people", "upload": upload})
    shown = upload.rejections.all()[:SHOWN]
    now = timezone.now()  # clock: entry
    context = {"nav": "people", "upload": upload, "rejections": shown, "waits": _waits(upload)}
    context |= {"can_undo": undoing.can_be_undone(upload, now=now), "undo_days": undoing.UNDO_WITHIN.days}
    return render(request, "audiences/import_result.html", context)


def _waits(upload: Import) -> bool:
    """Due, and no worker has taken a row yet."""
    return upload.state == State.RUNNING and not upload.done_rows


def _check_page(request: HttpRequest, upload: Import, form: ImportForm | None, status: int = 200) -> HttpResponse:
    try:
        seen = look(path=Path(upload.path), encoding=upload.encoding, delimiter=upload.delimiter)
    except BadFile as error:
        context = {"nav": "people", "upload": upload, "error": error}
        return render(request, "audiences/import_bad.html", context, status=422)
    form = form or _import_form(upload, seen)
    reading = ReadingForm(guessed=upload.encoding, initial={"encoding": upload.encoding, "delimiter": upload.delimiter})
    context = {"nav": "people", "upload": upload, "seen": seen, "form": form, "reading": reading}
    context |= {"has_lists": MailingList.objects.in_use().exists()}
    return render(request, "audiences/import_check.html", context, status=status)


def _import_form(upload: Import, seen: Preview) -> ImportForm:
    initial = {"list": upload.list_id, "has_header": upload.has_header, "existing": upload.existing}
    initial["basis"] = upload.consent_basis
    return ImportForm(initial=initial, labels=seen.labels, mapping=upload.mapping)


@require_POST
def reading(request: HttpRequest, upload_id: int) -> HttpResponse:
    upload = get_object_or_404(Import, pk=upload_id, state__in=imports.WAITING)
    form = ReadingForm(request.POST, guessed=upload.encoding)
    if form.is_valid():
        try:
            read_as(upload=upload, **form.cleaned_data)
        except BadFile as error:
            messages.error(request, _("Read like this, it makes no sense: %(error)s") % {"error": error})
    return redirect("import", upload_id)


@require_POST
def try_out(request: HttpRequest, upload_id: int) -> HttpResponse:
    """Take the rules down and see what they would do; nothing is imported."""
    upload = get_object_or_404(Import, pk=upload_id, state__in=imports.WAITING)
    if refused := _settle(request, upload):
        return refused
    if trials.start(upload_id=upload_id):
        wake(run_import, upload_id)
    return redirect("import", upload_id)


def _settle(request: HttpRequest, upload: Import) -> HttpResponse | None:
    """Keep the rules of the form; the page with the form again where they can't be followed."""
    seen = look(path=Path(upload.path), encoding=upload.encoding, delimiter=upload.delimiter)
    form = ImportForm(request.POST, labels=seen.labels, mapping=upload.mapping)
    if not form.is_valid():
        return _check_page(request, upload, form, status=422)
    settle(upload=upload, form=form.cleaned_data, mapping=form.mapping())
    return None


@require_POST
def run(request: HttpRequest, upload_id: int) -> HttpResponse:
    upload = get_object_or_404(Import, pk=upload_id)
    # After a trial the rules stand.
    if upload.state == State.UPLOADED and (refused := _settle(request, upload)):
        return refused
    if imports.start(upload_id=upload_id):
        wake(run_import, upload_id)
    return redirect("import", upload_id)


@require_POST
def undo(request: HttpRequest, upload_id: int) -> HttpResponse:
    get_object_or_404(Import, pk=upload_id)
    if not undoing.start(now=timezone.now(), upload_id=upload_id):  # clock: entry
        messages.error(request, _("This import can no longer be undone."))
    return redirect("import", upload_id)


@require_safe
def progress(request: HttpRequest, upload_id: int) -> HttpResponse:
    """The part that polls; 286 ends it."""
    upload = get_object_or_404(Import.objects.select_related("list"), pk=upload_id)
    trial = upload.state in (State.CHECKING, State.CHECKED)
    name = "audiences/import_trial.html#trial" if trial else "audiences/import_result.html#progress"
    page = render(request, name, {"upload": upload, "waits": _waits(upload)})
    if upload.state in (State.RUNNING, State.CHECKING, State.UNDOING):
        return _told(page, upload.n_lines, whole(request.GET.get("seen", "")))
    # What follows the counters (rows, download) is on the whole page.
    done = HttpResponseStopPolling(page.content)
    done["HX-Refresh"] = "true"
    return done


def _told(page: HttpResponse, lines: int, before: int) -> HttpResponse:
    """The first rows, and every so many, are told to screen readers, not every poll."""
    if lines and (not before or lines // TOLD_EVERY != before // TOLD_EVERY):
        trigger_client_event(page, "announce", {"words": _("%(n)s rows so far") % {"n": number(lines)}})
    return page


@require_safe
def rejected(request: HttpRequest, upload_id: int) -> StreamingHttpResponse:
    upload = get_object_or_404(Import, pk=upload_id)
    lines = imports.rejected_rows_csv(upload_id=upload.pk)
    answer = StreamingHttpResponse((line.encode() for line in lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="import-{upload.pk}-rows.csv"'
    return answer
