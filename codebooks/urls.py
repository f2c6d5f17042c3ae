from django.urls import path

from codebooks import import_views, views

urlpatterns = [
    path("studies/<slug:slug>/codebook/", views.codebook, name="codebook"),
    path("studies/<slug:slug>/codebook/changes/", views.changes, name="codebook_changes"),
    path("studies/<slug:slug>/codebook/upload/", import_views.upload, name="upload_codebook"),
    path(
        "studies/<slug:slug>/codebook/take-over/",
        import_views.take_over,
        name="take_over_codebook",
    ),
    path("studies/<slug:slug>/codebook/keep/", import_views.keep, name="keep_codebook"),
    path(
        "studies/<slug:slug>/codebook/<int:pk>.<str:kind>",
        views.codebook_file,
        name="codebook_file",
    ),
]
