"""Recipients' doors: public, no sign-in, no cookie, no script. Reading (GET, HEAD) changes nothing."""

from django.urls import path

from sending.doors import views

urlpatterns = [
    path("u/<str:token>", views.unsubscribe, name="door-unsubscribe"),
    path("p/<str:token>", views.preferences, name="door-preferences"),
    path("c/<str:token>", views.confirm, name="door-confirm"),
    path("w/<str:token>", views.web_version, name="door-web"),
    path("l/<str:token>", views.link, name="door-link"),
    path("o/<str:token>.gif", views.open_pixel, name="door-open"),
    path("privacy/<str:token>", views.privacy, name="door-privacy"),
]
