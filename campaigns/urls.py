"""The pages of campaigns, from the first draft to the last late click."""

from django.urls import path

from campaigns.views import (
    compose,
    drafts,
    fields,
    guard,
    home,
    listing,
    messages,
    monitor,
    people,
    preview,
    report,
    review,
    source,
    trial,
)

urlpatterns = [
    path("", home.index, name="home"),
    path("setup/hide/", home.hide_setup, name="setup-hide"),
    #
    path("people/fields/", fields.index, name="fields"),
    path("people/fields/new/", fields.new, name="field-new"),
    path("people/fields/<int:field_id>/", fields.edit, name="field-edit"),
    path("people/fields/<int:field_id>/delete/", fields.delete, name="field-delete"),
    #
    path("campaigns/", listing.index, name="campaigns"),
    path("campaigns/new/", listing.new, name="campaign-new"),
    path("campaigns/<int:campaign_id>/", drafts.show, name="campaign"),
    path("campaigns/<int:campaign_id>/name/", drafts.name, name="campaign-name"),
    path("campaigns/<int:campaign_id>/copy/", drafts.copy, name="campaign-copy"),
    path("campaigns/<int:campaign_id>/audience/", drafts.audience, name="campaign-audience"),
    path("campaigns/<int:campaign_id>/sender/", drafts.sender, name="campaign-sender"),
    path("campaigns/<int:campaign_id>/tracking/", drafts.tracking, name="campaign-tracking"),
    #
    path("campaigns/<int:campaign_id>/letter/", compose.letter, name="campaign-letter"),
    path("campaigns/<int:campaign_id>/letter/check/", compose.check, name="campaign-check"),
    path("campaigns/<int:campaign_id>/letter/preview/", preview.show, name="campaign-preview"),
    path("campaigns/<int:campaign_id>/letter/pictures/", compose.pictures, name="campaign-pictures"),
    path("campaigns/<int:campaign_id>/letter/versions/", compose.versions, name="campaign-versions"),
    path("campaigns/<int:campaign_id>/letter/versions/<int:number>/restore/", compose.restore, name="campaign-restore"),
    path("campaigns/<int:campaign_id>/letter/kind/", source.kind, name="campaign-kind"),
    path("campaigns/<int:campaign_id>/letter/file/", source.upload, name="campaign-file"),
    path("campaigns/<int:campaign_id>/letter/source/", source.download, name="campaign-source"),
    path("campaigns/<int:campaign_id>/test/", trial.new, name="campaign-test"),
    path("campaigns/<int:campaign_id>/test/<int:mailing_id>/", trial.show, name="campaign-test-result"),
    #
    path("campaigns/<int:campaign_id>/review/", review.show, name="campaign-review"),
    path("campaigns/<int:campaign_id>/schedule/", review.schedule, name="campaign-schedule"),
    path("campaigns/<int:campaign_id>/unschedule/", review.unschedule, name="campaign-unschedule"),
    path("campaigns/<int:campaign_id>/arming/", review.arming, name="campaign-arming"),
    #
    path("campaigns/<int:campaign_id>/monitor/", monitor.show, name="campaign-monitor"),
    path("campaigns/<int:campaign_id>/progress/", monitor.progress, name="campaign-progress"),
    path("campaigns/<int:campaign_id>/problems/", monitor.problems, name="campaign-problems"),
    path("campaigns/<int:campaign_id>/pace/", monitor.pace, name="campaign-pace"),
    path("campaigns/<int:campaign_id>/pause/", monitor.pause, name="campaign-pause"),
    path("campaigns/<int:campaign_id>/resume/", monitor.resume, name="campaign-resume"),
    path("campaigns/<int:campaign_id>/stop/", monitor.stop, name="campaign-stop"),
    path("campaigns/<int:campaign_id>/resend-blocked/", monitor.resend_blocked, name="campaign-resend-blocked"),
    path("campaigns/<int:campaign_id>/speed/", monitor.speed, name="campaign-speed"),
    path("campaigns/<int:campaign_id>/lane-pause/", monitor.pause_lane, name="campaign-lane-pause"),
    path("campaigns/<int:campaign_id>/lane-resume/", monitor.resume_lane, name="campaign-lane-resume"),
    path("campaigns/<int:campaign_id>/guard/", guard.show, name="campaign-guard"),
    path("campaigns/<int:campaign_id>/guard/resume/", guard.resume, name="campaign-guard-resume"),
    path("campaigns/<int:campaign_id>/guard/rest/", guard.let_rest_go, name="campaign-first-part"),
    #
    path("messages/", messages.index, name="messages"),
    path("messages/<int:mailing_id>/<int:delivery_id>/", messages.show, name="message"),
    path("messages/<int:mailing_id>/<int:delivery_id>/letter/", messages.letter, name="message-letter"),
    #
    path("campaigns/<int:campaign_id>/report/", report.show, name="campaign-report"),
    path("campaigns/<int:campaign_id>/report/over-time/", report.over_time, name="campaign-over-time"),
    path("campaigns/<int:campaign_id>/report/click-map/", report.click_map, name="campaign-click-map"),
    path("campaigns/<int:campaign_id>/report/numbers.csv", report.export, name="campaign-report-csv"),
    path("campaigns/<int:campaign_id>/people/<str:topic>/", people.show, name="campaign-people"),
    path("campaigns/<int:campaign_id>/people/<str:topic>/export.csv", people.export, name="campaign-people-csv"),
]
