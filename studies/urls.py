from django.urls import path

from studies import people_views, trail_views, views

urlpatterns = [
    path("", views.studies, name="studies"),
    path("studies/<slug:slug>/transcripts/", views.transcripts, name="transcripts"),
    path("studies/<slug:slug>/transcripts/language/", views.language, name="language"),
    path("studies/<slug:slug>/transcripts/<int:pk>/", views.transcript, name="transcript"),
    path("studies/<slug:slug>/speakers/", views.speakers_page, name="speakers"),
    path("studies/<slug:slug>/people/", people_views.people, name="people"),
    path("studies/<slug:slug>/people/invite/", people_views.invite_person, name="invite_person"),
    path("studies/<slug:slug>/people/<int:pk>/", people_views.change_person, name="change_person"),
    path(
        "studies/<slug:slug>/people/invitations/<int:pk>/withdraw/",
        people_views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("studies/<slug:slug>/trail/", trail_views.trail, name="trail"),
    path("studies/<slug:slug>/trail.<str:kind>", trail_views.trail_file, name="trail_file"),
    path("join/", people_views.join, name="join"),
    path("join/<str:secret>/", people_views.join_link, name="join_link"),
]
