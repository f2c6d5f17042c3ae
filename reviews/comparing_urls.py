from django.urls import path

from reviews import comparing_api, comparing_views

comparing_urls = [
    path("studies/<slug:slug>/compare/", comparing_views.compare, name="compare"),
    path("studies/<slug:slug>/drift/", comparing_views.drift, name="drift"),
    path("studies/<slug:slug>/stability/", comparing_views.stable, name="stability"),
    path("api/studies/<slug:slug>/compare/", comparing_api.compare, name="api_compare"),
    path("api/studies/<slug:slug>/drift/", comparing_api.drift, name="api_drift"),
    path("api/studies/<slug:slug>/stability/", comparing_api.stable, name="api_stability"),
]
