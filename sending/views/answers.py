"""/answers/: what receivers say that nobody has classified, and verdicts held because they came in a storm."""

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from reputation.access import acting
from reputation.forms import ReasonForm
from reputation.models import ReplyDecision, Storm, UnreadReply
from reputation.pure.reactions import REACTIONS, TITLES
from sending import decisions, storms
from sending.forms import MeaningForm, StormForm
from sending.models import Inbound

MOST_SHOWN = 200


def index(request: HttpRequest) -> HttpResponse:
    decided = ReplyDecision.objects.filter(reply=OuterRef("pk"), revoked_at=None)
    unread = UnreadReply.objects.filter(~Exists(decided))
    context = {
        "nav": "answers",
        "open_storms": [(storm, storms.counts_of(storm)) for storm in Storm.objects.filter(state=Storm.State.OPEN)],
        "past_storms": Storm.objects.exclude(state=Storm.State.OPEN).select_related("decided_by")[:20],
        "unread": unread[:MOST_SHOWN],
        "unreadable": Inbound.objects.filter(state=Inbound.State.FAILED).defer("raw").order_by("-id")[:50],
        "decided": [
            (row, gettext(TITLES.get(row.class_name, row.class_name)))
            for row in ReplyDecision.objects.select_related("reply", "decided_by", "revoked_by")[:MOST_SHOWN]
        ],
    }
    return render(request, "sending/answers.html", context)


def show(request: HttpRequest, reply_id: int) -> HttpResponse:
    reply = get_object_or_404(UnreadReply, pk=reply_id)
    form = MeaningForm(request.POST or None)
    current = reply.decisions.filter(revoked_at=None).select_related("decided_by").first()
    if form.is_valid() and current is None:
        return _decided(request, reply, form)
    context = {
        "nav": "answers",
        "reply": reply,
        "form": form,
        "current": current,
        "meaning": gettext(TITLES.get(current.class_name, current.class_name)) if current else "",
        "undo_form": ReasonForm(auto_id="undo_%s"),
        "past": reply.decisions.exclude(revoked_at=None).select_related("decided_by", "revoked_by"),
        "people": len({key for key, _ in decisions.said_before(reply)}),
        "classes": [(gettext(TITLES[name]), REACTIONS[name]) for name in decisions.CLASSES],
    }
    return render(request, "sending/answer.html", context, status=422 if form.errors else 200)


def _decided(request: HttpRequest, reply: UnreadReply, form: MeaningForm) -> HttpResponse:
    decision = decisions.decide(
        now=timezone.now(),  # clock: entry
        reply=reply,
        class_name=form.cleaned_data["meaning"],
        everywhere=form.cleaned_data["everywhere"],
        actor=acting(request),
        reason=form.cleaned_data["reason"],
    )
    if decision is None:
        messages.info(request, _("Somebody else has decided meanwhile."))
    else:
        messages.success(request, _("Saved. It is a rule from now on, in every process within seconds."))
    return redirect("answer", reply.pk)


@require_POST
def undo(request: HttpRequest, reply_id: int) -> HttpResponse:
    decision = ReplyDecision.objects.filter(reply_id=reply_id, revoked_at=None).first()
    form = ReasonForm(request.POST)
    if decision is not None and form.is_valid():
        now, reason = timezone.now(), form.cleaned_data["reason"]  # clock: entry
        decisions.revoke(now=now, decision=decision, actor=acting(request), reason=reason)
        messages.success(request, _("Undone. Whom it alone had suppressed is free again."))
    elif decision is not None:
        messages.error(request, _("Say why it is undone."))
    return redirect("answer", reply_id)


def storm(request: HttpRequest, storm_id: int) -> HttpResponse:
    row = get_object_or_404(Storm.objects.select_related("decided_by"), pk=storm_id)
    form = StormForm(request.POST or None)
    if form.is_valid():
        believed = form.cleaned_data["verdict"] == StormForm.BELIEVED
        now, reason = timezone.now(), form.cleaned_data["reason"]  # clock: entry
        if storms.decide(now=now, storm=row, believed=believed, actor=acting(request), reason=reason):
            done = "Suppressed, as decided." if believed else "They stay. Each counts as one soft failure."
            messages.success(request, done)
        else:
            messages.info(request, _("It was decided already."))
        return redirect("answers")
    context = {"nav": "answers", "storm": row, "form": form, "counts": storms.counts_of(row)}
    return render(request, "sending/storm.html", context, status=422 if form.errors else 200)
