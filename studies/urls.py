from django.urls import path

from studies import views

urlpatterns = [
    path("", views.studies, name="studies"),
    path("studies/<slug:slug>/transcripts/", views.transcripts, name="transcripts"),
    path("studies/<slug:slug>/transcripts/language/", views.language, name="language"),
    path("studies/<slug:slug>/transcripts/<int:pk>/", views.transcript, name="transcript"),
    path("studies/<slug:slug>/speakers/", views.speakers_page, name="speakers"),
]
