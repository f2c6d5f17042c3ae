from django.urls import path

from coding import views

urlpatterns = [
    path("studies/<slug:slug>/coding/", views.coding, name="coding"),
    path("studies/<slug:slug>/coding/estimate/", views.would_cost, name="would_cost"),
    path("studies/<slug:slug>/coding/start/", views.start, name="start_run"),
    path("studies/<slug:slug>/coding/<int:run_id>/tell/", views.tell_run, name="tell_run"),
]
