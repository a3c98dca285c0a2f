"""/campaigns/7/letter/…: how it is written, and the source as a file."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audiences.access import acting
from campaigns import content, edit
from campaigns.access import campaign_or_404
from campaigns.forms import KindForm, SourceFileForm
from campaigns.models import Campaign, Revision
from campaigns.packages import Package, is_package, read_package
from campaigns.source_files import BadSource, read_source

MOST_PACKED = 20 * 1024 * 1024


def kind(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Letter, MJML or HTML; a change is a version like any other."""
    campaign = campaign_or_404(campaign_id)
    form = KindForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        try:
            content.begin_as(now=now, campaign_id=campaign_id, by=acting(request), **form.cleaned_data)
        except (content.Conflict, content.NotADraft) as error:
            messages.error(request, str(error))
        return redirect("campaign-letter", campaign_id)
    return render(request, "campaigns/kind.html", _context(campaign), status=422 if form.errors else 200)


def upload(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """A page made elsewhere, kept as it is."""
    campaign = campaign_or_404(campaign_id)
    form = SourceFileForm(request.POST or None, request.FILES or None)
    if form.is_valid() and _take(request, campaign, form):
        return redirect("campaign-letter", campaign_id)
    return render(
        request, "campaigns/file.html", {**_context(campaign), "form": form}, status=422 if form.errors else 200
    )


def _take(request: HttpRequest, campaign: Campaign, form: SourceFileForm) -> bool:
    file, before = form.cleaned_data["file"], content.current(campaign)
    try:
        taken = _read(file.read(MOST_PACKED + 1), acting(request))
        content.save_letter(
            now=timezone.now(),  # clock: entry
            campaign_id=campaign.pk,
            based_on=form.cleaned_data["based_on"],
            subject=before.subject,
            preheader=before.preheader,
            letter=taken.source,
            by=acting(request),
            kind=taken.kind,
        )
    except (BadSource, content.Conflict, content.NotADraft) as error:
        form.add_error("file", str(error))
        return False
    _tell(request, file.name, taken)
    return True


def _tell(request: HttpRequest, name: str, taken: Package) -> None:
    told = _("“%(name)s” is the newest version now. What you wrote before is among the versions.") % {"name": name}
    messages.success(request, told)
    if taken.taken:
        messages.success(request, _("%(n)s of its pictures came along.") % {"n": taken.taken})
    if taken.missing:
        names = ", ".join(taken.missing[:5]) + (" …" if len(taken.missing) > 5 else "")
        missing = _("Not in the file, though the page shows them: %(names)s. Upload them under the letter.")
        messages.error(request, missing % {"names": names})


def _read(raw: bytes, by: User) -> Package:
    """One page, or a ZIP of a page with its pictures. Raises BadSource."""
    if len(raw) > MOST_PACKED:
        raise BadSource("The file is larger than 20 MB. Pack only the page and its pictures.")
    if is_package(raw):
        return read_package(raw, by=by)
    kind, source = read_source(raw)
    return Package(kind, source, 0, ())


@require_safe
def download(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The source as it was saved, to the byte."""
    campaign = campaign_or_404(campaign_id)
    shown = content.current(campaign)
    ending = {Revision.Kind.LETTER: "md", Revision.Kind.MJML: "mjml"}.get(Revision.Kind(shown.kind), "html")
    answer = HttpResponse(shown.letter.encode(), content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="campaign-{campaign.pk}-version-{shown.number}.{ending}"'
    return answer


def _context(campaign: Campaign) -> dict[str, object]:
    return {
        "nav": "campaigns",
        "campaign": campaign,
        "content": content.current(campaign),
        "editable": campaign.state in edit.EDITABLE,
    }
