from django.urls import path

from reviews import quotes_views, report_views, together_views

report_urls = [
    path("studies/<slug:slug>/agreement/", report_views.agreement, name="agreement"),
    path("studies/<slug:slug>/prevalence/", report_views.prevalence, name="prevalence"),
    path("studies/<slug:slug>/together/", together_views.together, name="together"),
    path(
        "studies/<slug:slug>/pictures/<str:picture>.<str:form>",
        together_views.picture,
        name="picture",
    ),
    path("studies/<slug:slug>/quotes/", quotes_views.quotes_page, name="quotes"),
    path("studies/<slug:slug>/report/", report_views.report_html, name="report_html"),
    path("studies/<slug:slug>/report/<str:name>", report_views.report_file, name="report_file"),
]
