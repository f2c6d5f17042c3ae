from django.urls import path

from codebooks import views

urlpatterns = [path("studies/<slug:slug>/codebook/", views.codebook, name="codebook")]
