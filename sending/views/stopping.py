"""/routes/stop/ and /routes/resume/: the big switch, each in two steps."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from reputation.access import acting
from reputation.stop_sending import resume_sending, stop_sending
from reputation.workspace import workspace
from sending import boot_identity
from sending.forms import StopForm
from sending.models import Mailing


def stop(request: HttpRequest) -> HttpResponse:
    form = StopForm(request.POST or None)
    if form.is_valid():
        now = timezone.now()  # clock: entry
        if not stop_sending(now=now, actor=acting(request), reason=form.cleaned_data["reason"]):
            messages.info(request, _("It was stopped already."))
        return redirect("routes")
    context = {"nav": "routes", "form": form, "running": Mailing.objects.filter(state=Mailing.State.RUNNING).count()}
    return render(request, "sending/stop.html", context, status=422 if form.errors else 200)


def resume(request: HttpRequest) -> HttpResponse:
    if workspace().sending_stopped_at is None:
        return redirect("routes")
    if request.method == "POST":
        boot_identity.confirm()
        resume_sending()
        messages.success(request, _("Sending goes on where it stood."))
        return redirect("routes")
    running = Mailing.objects.filter(state=Mailing.State.RUNNING).count()
    return render(request, "sending/resume.html", {"nav": "routes", "running": running})
