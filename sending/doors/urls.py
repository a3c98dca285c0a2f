"""Recipients' doors: public, no sign-in, no cookie, no script. Reading (GET, HEAD) changes nothing."""

from django.urls import path

from sending.doors import views
from sending.doors.mailed import views as mailed

urlpatterns = [
    path("u/<str:token>", views.unsubscribe, name="door-unsubscribe"),
    path("p/<str:token>", views.preferences, name="door-preferences"),
    path("c/<str:token>", views.confirm, name="door-confirm"),
    path("w/<str:token>", views.web_version, name="door-web"),
    path("l/<str:token>/<int:number>", views.link, name="door-link"),
    path("l/<str:token>", views.link, name="door-link"),  # what a mail program left of it
    path("o/<str:token>.gif", views.open_pixel, name="door-open"),
    path("f/<str:token>", mailed.forward, name="door-forward"),
    path("s/<str:token>", mailed.shared, name="door-share"),
    path("m/<str:token>", mailed.mailed, name="door-mailed"),
    path("my-letters", mailed.ask, name="door-ask"),
    path("privacy/<str:token>", views.privacy, name="door-privacy"),
]
