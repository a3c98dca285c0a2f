"""Providers' webhooks."""

from django.urls import path

from sending.esp import views

urlpatterns = [path("hooks/<int:route>/", views.hook, name="esp-hook")]
