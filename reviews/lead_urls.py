"""Addresses of the pages by which a lead steers the review, and of one’s own work."""

from django.urls import path

from reviews import adjudication_views, lead_api, lead_views, planning_views, training_views

lead_urls = [
    path("work/", lead_views.work, name="work"),
    path("work/hand-over/", lead_views.hand_over_view, name="hand-over"),
    path("work/hand-out/", lead_views.hand_out_view, name="hand-out"),
    path("work/mine/", lead_views.own_work, name="own-work"),
    path("draw/", lead_views.draw, name="draw"),
    path("plan/", planning_views.plan, name="plan"),
    path("disagreements/", adjudication_views.adjudication, name="adjudication"),
    path(
        "disagreements/<int:pk>/<slug:dimension>/",
        adjudication_views.adjudicate,
        name="adjudicate",
    ),
    path(
        "disagreements/<int:pk>/<slug:dimension>/<slug:code>/",
        adjudication_views.adjudicate,
        name="adjudicate",
    ),
    path("training/", training_views.training, name="training"),
    path("training/<int:pk>/", training_views.training_key, name="training-key"),
]

lead_api_urls = [
    path("disagreements/", lead_api.disagreements, name="api_disagreements"),
    path("disagreements/<int:pk>/<slug:dimension>/", lead_api.disagreement, name="api_case"),
    path(
        "disagreements/<int:pk>/<slug:dimension>/<slug:code>/",
        lead_api.disagreement,
        name="api_case",
    ),
    path("plan/", planning_views.plan_json, name="api_plan"),
    path("work/", lead_api.work, name="api_work"),
    path("work/hand-over/", lead_api.give, name="api_hand_over"),
    path("work/hand-out/", lead_api.hand_out, name="api_hand_out"),
    path("trainings/", lead_api.trainings_api, name="api_trainings"),
    path("trainings/items/<int:pk>/", lead_api.training_key, name="api_training_key"),
]
