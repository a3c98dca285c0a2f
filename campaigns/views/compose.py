"""/campaigns/7/letter/"""

from collections.abc import Sequence

from csp.constants import NONCE
from csp.decorators import csp_update
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiences.access import acting
from audiences.models import PersonField, Subscriber
from campaigns import content, edit, letters, media
from campaigns.access import campaign_or_404
from campaigns.code_editor import phrases
from campaigns.forms import LetterForm, PictureForm
from campaigns.models import Campaign, Media, Revision
from campaigns.pure.advice import SUBJECT_LONG
from campaigns.pure.changes import Line, changed_lines
from campaigns.pure.mjml_words import ATTRIBUTES, HTML_WORDS
from campaigns.pure.starters import with_line_ends_of
from campaigns.samples import cast_of, person_by_address
from campaigns.variants import Written, variant_of, variants_of
from sending.pure.personalise import SYSTEM_NAMES
from words import marked
from words.typed import whole

PICTURES_SHOWN = 12
# Those that subjects are written with, each with its name for who does not see it.
EMOJI = (
    ("📚", marked("books")),
    ("🎉", marked("celebration")),
    ("🎁", marked("present")),
    ("⏰", marked("alarm clock")),
    ("✨", marked("sparkles")),
    ("❤️", marked("heart")),
    ("👋", marked("waving hand")),
    ("🙏", marked("thank you")),
    ("☕", marked("coffee")),
    ("🌱", marked("seedling")),
    ("🌞", marked("sun")),
    ("❄️", marked("snowflake")),
    ("📅", marked("calendar")),
    ("📍", marked("place")),
    ("🚚", marked("delivery")),
    ("✅", marked("tick")),
)
ELSEWHERE = ("from", "reply_to", "postal_address")


# The code editor brings a style element of its own.
@csp_update({"style-src": [NONCE]})  # type: ignore[arg-type]  # its type knows only views of one argument
def letter(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The letter itself, or that of another variant of its A/B test (`of`)."""
    campaign = campaign_or_404(campaign_id)
    of, written = _asked_of(request, campaign)
    if request.method == "POST":
        return _save(request, campaign, of, written.content)
    return _page(request, written.campaign, written.content, of=of)


def _asked_of(request: HttpRequest, campaign: Campaign) -> tuple[int, Written]:
    """The variant that is written: its number, 0 for A, and how it is saved."""
    number, saved = whole(request.GET.get("of", ""), digits=1), content.current(campaign)
    written = variant_of(campaign, saved, number)
    return (number if written.content is not saved else 0), written


def _save(request: HttpRequest, campaign: Campaign, of: int, before: Revision) -> HttpResponse:
    form = LetterForm(request.POST, before=before.letter)
    typed = typed_revision(request, campaign, before)
    if not form.is_valid():
        return _page(request, campaign, typed, of=of, form=form, status=422)
    try:
        saved = _saved_as(request, campaign, of, form)
    except content.Conflict as conflict:
        theirs = variant_of(campaign, conflict.theirs, of).content
        return _page(request, campaign, typed, of=of, theirs=theirs, status=409)
    except content.NotADraft as error:
        return _page(request, campaign, typed, of=of, refused=str(error), status=409)
    if request.htmx:  # type: ignore[attr-defined]
        return _saved(request, campaign, saved)
    if "review" in request.POST:
        return redirect("campaign-review", campaign.pk)
    return redirect(reverse("campaign-letter", args=[campaign.pk]) + (f"?of={of}" if of else ""))


def _saved_as(request: HttpRequest, campaign: Campaign, of: int, form: LetterForm) -> Revision:
    now, by, typed = timezone.now(), acting(request), dict(form.cleaned_data)  # clock: entry
    if not of:
        return content.save_letter(now=now, campaign_id=campaign.pk, by=by, **typed)
    typed.pop("kind")
    return content.save_variant(now=now, campaign_id=campaign.pk, number=of, by=by, **typed)


def _saved(request: HttpRequest, campaign: Campaign, saved: Revision) -> HttpResponse:
    """For a page that goes on: what to say, and which version the next save is based on."""
    campaign.rev = saved.number
    answer = render(request, "campaigns/compose.html#saved", {"campaign": campaign, "content": saved})
    answer["X-Version"] = str(saved.number)
    return answer


@require_POST
def check(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What was typed and not saved yet: its problems, and how an inbox shows it. Changes nothing."""
    campaign = campaign_or_404(campaign_id)
    _of, written = _asked_of(request, campaign)
    campaign, shown = written.campaign, typed_revision(request, campaign, written.content)
    address = request.POST.get("as_email", "").strip()
    context = _judged(campaign, shown, person_by_address(address) if address else None)
    parts = [
        render_to_string(f"campaigns/compose.html#{part}", {"campaign": campaign, "oob": True, **context}, request)
        for part in ("checked", "inbox")
    ]
    return HttpResponse("".join(parts))


def _judged(campaign: Campaign, shown: Revision, person: Subscriber | None) -> dict[str, object]:
    now = timezone.now()  # clock: entry
    return {
        "content": shown,
        # What is wrong in the words comes before what is missing elsewhere.
        "problems": sorted(letters.problems_of(campaign, shown), key=lambda one: one.place in ELSEWHERE),
        "look": letters.look_of(campaign, shown, person, now=now),
        "words": len(shown.letter.split()),
    }


def typed_revision(request: HttpRequest, campaign: Campaign, before: Revision) -> Revision:
    """What stands in the form and is not saved yet."""
    words = {name: request.POST.get(name, "") for name in ("subject", "preheader", "letter")}
    words["letter"] = with_line_ends_of(before.letter, words["letter"])
    kind = request.POST.get("kind", "")
    kind = kind if kind in Revision.Kind else before.kind
    return Revision(campaign=campaign, number=campaign.rev, kind=kind, ab_test=before.ab_test, **words)


def _page(
    request: HttpRequest, campaign: Campaign, shown: Revision, status: int = 200, of: int = 0, **more: object
) -> HttpResponse:
    fields = list(PersonField.objects.all())
    context = {
        "nav": "campaigns",
        "campaign": campaign,
        "editable": campaign.state in edit.EDITABLE,
        **_judged(campaign, shown, None),
        "fields": fields,
        **_pictures(),
        "code_words": code_words(fields, shown.kind) if shown.kind != Revision.Kind.LETTER else {},
        "cast": cast_of(campaign),
        **_variants(campaign, of),
        "emoji": [(sign, _(name)) for sign, name in EMOJI],
        "subject_long": SUBJECT_LONG,
        "device": "phone" if request.GET.get("device") == "phone" else "desktop",
        **more,
    }
    return render(request, "campaigns/compose.html", context, status=status)


def _pictures() -> dict[str, object]:
    return {"pictures": Media.objects.all()[:PICTURES_SHOWN], "picture_form": PictureForm()}


def _variants(campaign: Campaign, of: int) -> dict[str, object]:
    """Those there are, and which of them is written."""
    written = variants_of(campaign, content.current(campaign))
    return {"variants": written, "of": of, "query": f"?of={of}" if of else ""}


def code_words(fields: Sequence[PersonField], kind: str) -> dict[str, object]:
    """What the code editor offers to complete, and says."""
    names = [f"contact.{field.key}" for field in fields]
    elements = {name: sorted(words - {"*"}) for name, words in ATTRIBUTES.items()} if kind == Revision.Kind.MJML else {}
    fields_offered = ["contact.email", *names, *sorted(SYSTEM_NAMES)]
    return {"fields": fields_offered, "elements": elements or HTML_WORDS, "phrases": phrases()}


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
        "content": content.current(campaign),
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
    context["before"], context["changes"] = _changes(campaign, chosen)
    return render(request, "campaigns/versions.html", context)


def _changes(campaign: Campaign, chosen: Revision | None) -> tuple[Revision | None, list[Line]]:
    """The version before the chosen one, and what the chosen one changed in it."""
    before = campaign.revisions.filter(number__lt=chosen.number).first() if chosen else None
    return before, changed_lines(before, chosen) if before and chosen else []


@require_POST
def restore(request: HttpRequest, campaign_id: int, number: int) -> HttpResponse:
    campaign = campaign_or_404(campaign_id)
    get_object_or_404(Revision, campaign=campaign, number=number)
    now, based_on = timezone.now(), whole(request.POST.get("based_on", ""))  # clock: entry
    try:
        content.restore(now=now, campaign_id=campaign_id, number=number, based_on=based_on, by=acting(request))
    except (content.Conflict, content.NotADraft) as error:
        messages.error(request, str(error))
        return redirect("campaign-versions", campaign_id)
    messages.success(
        request,
        _("Version %(number)s is the newest again. The one before it is still in the list.") % {"number": number},
    )
    return redirect("campaign-letter", campaign_id)
