from django.urls import path

from reviews import interview_views, second_views, views, withdraw_views

urlpatterns = [
    path("studies/<slug:slug>/transcripts/<int:pk>/", interview_views.interview, name="transcript"),
    path(
        "studies/<slug:slug>/transcripts/<int:pk>/withdraw/",
        withdraw_views.withdraw_page,
        name="withdraw_transcript",
    ),
    path("studies/<slug:slug>/review/", views.review, name="review"),
    path("studies/<slug:slug>/review/keys/", views.review_keys, name="review-keys"),
    path("studies/<slug:slug>/review/<int:pk>/", views.review_item, name="review-item"),
    path("studies/<slug:slug>/review/<int:pk>/second/", second_views.second, name="review-second"),
    path("studies/<slug:slug>/review/<int:pk>/feedback/", second_views.key, name="review-feedback"),
]
