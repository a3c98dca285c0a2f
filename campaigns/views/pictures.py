"""/pictures/: all pictures of letters, where each is used, and away with one."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from audiences.access import acting
from campaigns import media
from campaigns.forms import PictureForm
from campaigns.models import Media
from words.typed import is_whole

SIZE = 48


def index(request: HttpRequest) -> HttpResponse:
    """Newest first, by key."""
    form = PictureForm(request.POST or None, request.FILES or None)
    if form.is_valid() and _add(request, form):
        return redirect("pictures")
    after = request.GET.get("after", "")
    found = Media.objects.annotate(n=Count("revisions__campaign", distinct=True))
    if is_whole(after):
        found = found.filter(pk__lt=int(after))
    rows = list(found[: SIZE + 1])
    context = {
        "nav": "pictures",
        "picture_form": form if form.errors else PictureForm(),
        "rows": rows[:SIZE],
        "after": rows[SIZE - 1].pk if len(rows) > SIZE else 0,
    }
    return render(request, "campaigns/library.html", context, status=422 if form.errors else 200)


def _add(request: HttpRequest, form: PictureForm) -> bool:
    file = form.cleaned_data["file"]
    try:
        media.add(file=file, name=file.name, by=acting(request))
    except media.BadPicture as error:
        form.add_error("file", str(error))
        return False
    messages.success(request, _("“%(name)s” can be put into letters now.") % {"name": file.name})
    return True


def show(request: HttpRequest, picture_id: int) -> HttpResponse:
    """One of them with its campaigns. POST deletes it; where it is used, only with `sure`."""
    picture = get_object_or_404(Media.objects.select_related("uploaded_by"), pk=picture_id)
    status = 200
    if request.method == "POST":
        try:
            media.remove(picture=picture, sure="sure" in request.POST)
        except media.InUse:
            status = 422
        else:
            messages.success(request, _("“%(name)s” is deleted.") % {"name": picture.name})
            return redirect("pictures")
    context = {"nav": "pictures", "picture": picture, "campaigns": media.used_by(picture), "refused": status == 422}
    return render(request, "campaigns/picture.html", context, status=status)
