"""Every address of the site."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path, reverse_lazy
from drf_spectacular.views import SpectacularAPIView

from coding import api as coding_api
from config import accounts
from reviews import api, overview
from reviews.comparing_urls import comparing_urls
from reviews.lead_urls import lead_api_urls, lead_urls
from reviews.report_urls import report_urls
from reviews.review_urls import review_urls

urlpatterns = [
    path("", include("studies.urls")),
    path("", include("codebooks.urls")),
    path("", include("coding.urls")),
    path("", include("reviews.urls")),
    path("", include(report_urls)),
    path("", include(comparing_urls)),
    path("studies/<slug:slug>/", include(lead_urls)),
    path("studies/<slug:slug>/", overview.overview, name="study"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/studies/", api.studies),
    path("api/studies/<slug:slug>/progress/", api.run_progress),
    path("api/studies/<slug:slug>/samples/", api.samples),
    path("api/studies/<slug:slug>/runs/", coding_api.start, name="api_start_run"),
    path("api/studies/<slug:slug>/runs/estimate/", coding_api.run_estimate, name="api_estimate"),
    *(
        path(
            f"api/studies/<slug:slug>/runs/<int:run_id>/{what}/",
            coding_api.tell_run,
            {"what": what},
            name=f"api_{what}_run",
        )
        for what in ("pause", "resume", "cancel")
    ),
    path("api/studies/<slug:slug>/", include(lead_api_urls)),
    path("api/studies/<slug:slug>/report/", api.report_json),
    path("api/studies/<slug:slug>/review/", include(review_urls)),
    path("accounts/login/", accounts.SignIn.as_view(), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "accounts/password/",
        auth.PasswordChangeView.as_view(success_url=reverse_lazy("studies")),
        name="password_change",
    ),
    path("accounts/reset/", accounts.AskForReset.as_view(), name="password_reset"),
    path(
        "accounts/reset/<uidb64>/<token>/",
        accounts.Reset.as_view(),
        name="password_reset_confirm",
    ),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
