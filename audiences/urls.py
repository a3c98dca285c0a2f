"""The pages about people: lists, people, imports, suppressions."""

from django.urls import path

from audiences.views import bulk, imports, lists, people, privacy, suppressions

urlpatterns = [
    path("lists/", lists.index, name="lists"),
    path("lists/new/", lists.new, name="list-new"),
    path("lists/<int:list_id>/", lists.show, name="list"),
    path("lists/sample/", lists.add_sample, name="sample-new"),
    path("lists/<int:list_id>/sample/", lists.remove_sample, name="sample-remove"),
    path("lists/<int:list_id>/edit/", lists.edit, name="list-edit"),
    path("lists/<int:list_id>/archive/", lists.archive, name="list-archive"),
    path("lists/<int:list_id>/restore/", lists.restore, name="list-restore"),
    #
    path("people/", people.index, name="people"),
    path("people/privacy/", privacy.index, name="privacy-requests"),
    path("people/privacy/<int:request_id>/close/", privacy.close, name="privacy-close"),
    path("people/new/", people.new, name="person-new"),
    path("people/<int:person_id>/", people.show, name="person"),
    path("people/<int:person_id>/edit/", people.edit, name="person-edit"),
    path("people/<int:person_id>/notes/", people.note, name="person-note"),
    path("people/<int:person_id>/export.json", people.export, name="person-export"),
    path("people/<int:person_id>/consent/", people.new_consent, name="person-consent"),
    path("people/bulk/", bulk.choose, name="bulk"),
    path("people/bulk/<int:job_id>/", bulk.show, name="bulk-job"),
    path("people/bulk/<int:job_id>/progress/", bulk.progress, name="bulk-progress"),
    path("people/bulk/<int:job_id>/undo/", bulk.undo, name="bulk-undo"),
    path("people/bulk/<int:job_id>/go-on/", bulk.go_on, name="bulk-go-on"),
    path("people/bulk/<int:job_id>/people.csv", bulk.download, name="bulk-file"),
    path("people/bulk/<str:action>/", bulk.start, name="bulk-start"),
    path("people/<int:person_id>/lists/", people.add_to_list, name="person-lists"),
    path("people/<int:person_id>/unsubscribe/", people.unsubscribe, name="person-unsubscribe"),
    path("people/<int:person_id>/suppress/", people.suppress, name="person-suppress"),
    path("people/<int:person_id>/erase/", people.erase, name="person-erase"),
    #
    path("people/imports/", imports.index, name="imports"),
    path("people/imports/new/", imports.new, name="import-new"),
    path("people/imports/<int:upload_id>/", imports.show, name="import"),
    path("people/imports/<int:upload_id>/reading/", imports.reading, name="import-reading"),
    path("people/imports/<int:upload_id>/check/", imports.try_out, name="import-check"),
    path("people/imports/<int:upload_id>/undo/", imports.undo, name="import-undo"),
    path("people/imports/<int:upload_id>/run/", imports.run, name="import-run"),
    path("people/imports/<int:upload_id>/progress/", imports.progress, name="import-progress"),
    path("people/imports/<int:upload_id>/rejected.csv", imports.rejected, name="import-rejected"),
    #
    path("suppressions/", suppressions.index, name="suppressions"),
    path("suppressions/new/", suppressions.new, name="suppression-new"),
    path("suppressions/keys.csv", suppressions.export, name="suppression-export"),
    path("suppressions/<int:suppression_id>/lift/", suppressions.lift, name="suppression-lift"),
]
