"""The site map: every app brings the map of the paths below it."""

from importlib.util import find_spec

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.static import serve

from config import health
from config.handbook import views as handbook

urlpatterns: list[URLPattern | URLResolver] = [
    # First: a campaign's clicks and opens are more than all else together.
    path("", include("sending.doors.urls")),
    path("healthz", health.show, name="health"),
    path("", include("config.team.urls")),
    path("help/", handbook.show, name="help"),
    path("help/<slug:name>/", handbook.show, name="help-page"),
    # Pictures in letters are public by nature: whoever got the mail must see them.
    path("media/<path:path>", serve, {"document_root": settings.MEDIA_ROOT}, name="media"),
    *(
        path("", include(f"{app}.urls"))
        for app in ("sending", "audiences", "reputation", "campaigns")
        if find_spec(f"{app}.urls")
    ),
]
