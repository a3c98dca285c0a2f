"""/campaigns/7/letter/"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audiences.access import acting
from audiences.models import PersonField
from campaigns import content, edit, letters, media
from campaigns.access import campaign_or_404
from campaigns.forms import LetterForm, PictureForm
from campaigns.models import Campaign, Media, Revision
from campaigns.pure.advice import SUBJECT_LONG
from campaigns.samples import sample_people

PICTURES_SHOWN = 12


def letter(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    if request.method == "POST":
        return _save(request, campaign)
    return _page(request, campaign, content.current(campaign))


def _save(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    form = LetterForm(request.POST)
    typed = Revision(campaign=campaign, number=campaign.rev, **_typed(request))
    if not form.is_valid():
        return _page(request, campaign, typed, form=form, status=422)
    now = timezone.now()  # clock: entry
    try:
        content.save_letter(now=now, campaign_id=campaign.pk, by=acting(request), **form.cleaned_data)
    except content.Conflict as conflict:
        return _page(request, campaign, typed, theirs=conflict.theirs, status=409)
    except content.NotADraft as error:
        return _page(request, campaign, typed, refused=str(error), status=409)
    return redirect("campaign-review" if "review" in request.POST else "campaign-letter", campaign.pk)


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in ("subject", "preheader", "letter")}


def _page(request: HttpRequest, campaign: Campaign, shown: Revision, status: int = 200, **more: object) -> HttpResponse:
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "content": shown,
        "editable": campaign.state in edit.EDITABLE,
        "problems": letters.problems_of(campaign, shown),
        "fields": PersonField.objects.all(),
        "pictures": Media.objects.all()[:PICTURES_SHOWN],
        "picture_form": PictureForm(),
        "samples": sample_people(campaign),
        "words": len(shown.letter.split()),
        "subject_long": SUBJECT_LONG,
        "device": "phone" if request.GET.get("device") == "phone" else "desktop",
        **more,
    }
    return render(request, "campaigns/compose.html", context, status=status)


def pictures(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    form = PictureForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            media.add(file=file, name=file.name, by=acting(request))
        except media.BadPicture as error:
            form.add_error("file", str(error))
    form = form if form.errors else PictureForm()
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "picture_form": form,
        "pictures": Media.objects.all()[:PICTURES_SHOWN],
    }
    template = "campaigns/pictures.html#pictures" if request.htmx else "campaigns/pictures.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if form.errors else 200)


@require_safe
def versions(request: HttpRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    rows = list(campaign.revisions.select_related("saved_by")[:100])
    asked = request.GET.get("number", "")
    chosen = next((row for row in rows if str(row.number) == asked), rows[0] if rows else None)
    editable = campaign.state in edit.EDITABLE
    context = {"nav": "campaigns", "campaign": campaign, "rows": rows, "chosen": chosen, "editable": editable}
    return render(request, "campaigns/versions.html", context)


@require_POST
def restore(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    get_object_or_404(Revision, campaign=campaign, number=number)
    now, based_on = timezone.now(), int(request.POST.get("based_on", "0") or 0)  # clock: entry
    try:
        content.restore(now=now, campaign_id=campaign_id, number=number, based_on=based_on, by=acting(request))
    except (content.Conflict, content.NotADraft) as error:
        messages.error(request, str(error))
        return redirect("campaign-versions", campaign_id)
    messages.success(request, f"Version {number} is the newest again. The one before it is still in the list.")
    return redirect("campaign-letter", campaign_id)
