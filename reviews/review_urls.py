from django.urls import path

from reviews import review_api

review_urls = [
    path("codebook/", review_api.codebook, name="review-api-codebook"),
    path("next/", review_api.next_questions, name="review-api-next"),
    path("hold/", review_api.held, name="review-api-hold"),
    path("release/", review_api.released, name="review-api-release"),
    path("mine/", review_api.mine, name="review-api-mine"),
    path("<int:pk>/", review_api.one_question, name="review-api-question"),
    path("<int:pk>/shown/", review_api.shown, name="review-api-shown"),
    path("<int:pk>/draft/", review_api.draft, name="review-api-draft"),
    path("<int:pk>/answer/", review_api.answered, name="review-api-answer"),
    path("<int:pk>/skip/", review_api.skipped, name="review-api-skip"),
    path("<int:pk>/flag/", review_api.flagged, name="review-api-flag"),
    path("<int:pk>/translation/", review_api.translated, name="review-api-translation"),
    path("<int:pk>/reopen/", review_api.reopened, name="review-api-reopen"),
    path("<int:pk>/second/", review_api.second, name="review-api-second"),
    path("<int:pk>/second/draft/", review_api.second_draft, name="review-api-second-draft"),
    path("<int:pk>/feedback/", review_api.key, name="review-api-feedback"),
]
