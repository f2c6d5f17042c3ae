from django.urls import path

from studies import adding_views, people_views, settings_views, trail_views, views

urlpatterns = [
    path("", views.studies, name="studies"),
    path("new-study/", adding_views.new_study, name="new_study"),
    path("studies/<slug:slug>/transcripts/", views.transcripts, name="transcripts"),
    path(
        "studies/<slug:slug>/transcripts/add/", adding_views.add_transcripts, name="add_transcripts"
    ),
    path(
        "studies/<slug:slug>/transcripts/add/<slug:key>/", adding_views.upload_page, name="upload"
    ),
    path("studies/<slug:slug>/transcripts/language/", views.language, name="language"),
    path("studies/<slug:slug>/speakers/", views.speakers_page, name="speakers"),
    path("studies/<slug:slug>/people/", people_views.people, name="people"),
    path("studies/<slug:slug>/people/invite/", people_views.invite_person, name="invite_person"),
    path("studies/<slug:slug>/people/<int:pk>/", people_views.change_person, name="change_person"),
    path(
        "studies/<slug:slug>/people/invitations/<int:pk>/withdraw/",
        people_views.withdraw_invitation,
        name="withdraw_invitation",
    ),
    path("studies/<slug:slug>/settings/", settings_views.settings_page, name="settings"),
    path("studies/<slug:slug>/trail/", trail_views.trail, name="trail"),
    path("studies/<slug:slug>/trail.<str:kind>", trail_views.trail_file, name="trail_file"),
    path("join/", people_views.join, name="join"),
    path("join/<str:secret>/", people_views.join_link, name="join_link"),
]
