"""Probability samples for blind review, who is asked about what, and rulings on disagreements."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from codebooks.models import Code, Revision
from coding.models import Coding, Run
from studies.models import Segment, Study


class Purpose(models.TextChoices):
    """What a sample is for; only a review enters an estimate."""

    REVIEW = "review", _("review")
    TRAINING = "training", _("training")


class Sample(models.Model):
    """A probability sample of a study's segments, from which it can be drawn again bit for bit.

    `design` holds the names of the strata, and for each stratum its key, population and drawn.
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="samples")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="samples")
    run = models.ForeignKey(Run, models.PROTECT, null=True, blank=True, related_name="samples")
    purpose = models.CharField(_("purpose"), max_length=8, choices=Purpose, default=Purpose.REVIEW)
    # The earlier round that this one adds to.
    continues = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="later_rounds"
    )
    design = models.JSONField(_("design"))
    # When to look, and what must hold to stop: declared before the first answer.
    rule = models.JSONField(_("stopping rule"), null=True, blank=True)
    seed = models.BigIntegerField(_("seed"))
    frame_digest = models.CharField(_("SHA-256 of the frame"), max_length=64)
    created_at = models.DateTimeField(_("drawn"), auto_now_add=True)

    class Meta:
        verbose_name = _("sample")
        verbose_name_plural = _("samples")
        ordering = ["study", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose__in=Purpose.values), name="a_sample_is_for_review_or_training"
            )
        ]

    def __str__(self) -> str:
        return f"{self.study_id}: {self.created_at:%Y-%m-%d}"


class Item(models.Model):
    """A segment in a sample, with its stratum and its probability of having been drawn."""

    sample = models.ForeignKey(Sample, models.CASCADE, related_name="items")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="items")
    # The order in which it was drawn; coders are asked in this order, which tells them nothing.
    position = models.PositiveIntegerField(_("position"))
    stratum = models.CharField(_("stratum"), max_length=200)
    inclusion = models.FloatField(_("inclusion probability"))
    coders_wanted = models.PositiveSmallIntegerField(_("coders wanted"), default=1)
    # How many seats are answered or kept for somebody (`assigning.recount` tells it anew).
    taken = models.PositiveSmallIntegerField(_("seats taken"), default=0, editable=False)
    # The interview's language without its variety, here so that who reads Quechua is not led past
    # 80,000 others (`assigning.tidy` tells it anew).
    language = models.CharField(_("language"), max_length=35, blank=True, editable=False)
    # Drawn with the sample: after their blind answer its coders see the machine's and look again.
    assisted = models.BooleanField(_("assisted after the blind answer"), default=False)

    class Meta:
        verbose_name = _("item")
        verbose_name_plural = _("items")
        ordering = ["sample", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["sample", "segment"], name="a_segment_is_in_a_sample_once"
            ),
            models.CheckConstraint(
                condition=Q(inclusion__gt=0, inclusion__lte=1),
                name="an_inclusion_probability_is_above_0_up_to_1",
            ),
            models.CheckConstraint(
                condition=Q(taken__lte=F("coders_wanted")),
                name="no_more_seats_are_taken_than_coders_wanted",
            ),
        ]
        # Only what still has a seat is in these, so finding one takes as long at the end as at
        # the beginning.
        indexes = [
            models.Index(
                fields=["sample", "position"],
                condition=Q(taken__lt=F("coders_wanted")),
                name="items_with_a_seat",
            ),
            models.Index(
                fields=["sample", "language", "position"],
                condition=Q(taken__lt=F("coders_wanted")),
                name="items_with_a_seat_by_language",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sample_id}/{self.position}"


class Assignment(models.Model):
    """A person is asked about an item; they answer with a coding, or skip it with a reason."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="assignments")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="assignments")
    coding = models.ForeignKey(
        Coding, models.SET_NULL, null=True, blank=True, related_name="assignments"
    )
    # The second look, where the item's policy allows one.
    assisted = models.ForeignKey(
        Coding, models.SET_NULL, null=True, blank=True, related_name="assisted_assignments"
    )
    skipped_because = models.TextField(_("skipped because"), blank=True)
    flagged_because = models.TextField(_("flagged because"), blank=True)
    # What is entered and not sent, and how often it was saved: a stale tab writes over nothing.
    draft = models.JSONField(_("draft"), null=True, blank=True)
    # The same for the second look, apart from what was entered blind.
    second_draft = models.JSONField(_("draft of the second look"), null=True, blank=True)
    version = models.PositiveIntegerField(_("version"), default=0)
    # Names the answer in the client that sent it: sent twice, it is kept once.
    client_id = models.UUIDField(_("client id"), null=True, blank=True)
    # Until when the seat is kept for a person who has not answered; no end where it has their name.
    held_until = models.DateTimeField(_("held until"), null=True, blank=True)
    # When the seat went back to the pool: skipped, given back, or held for too long.
    returned_at = models.DateTimeField(_("seat given back"), null=True, blank=True)
    # When the machine's answer or the key was shown: from then on the answer stays as it is.
    revealed_at = models.DateTimeField(_("others’ answer shown"), null=True, blank=True)
    # When its coder was first given a translation of the interview, before the answer was settled.
    translated_at = models.DateTimeField(_("translation shown"), null=True, blank=True)
    shown_at = models.DateTimeField(_("first shown"), null=True, blank=True)
    seconds = models.PositiveIntegerField(_("seconds at work"), null=True, blank=True)
    assigned_at = models.DateTimeField(_("assigned"), auto_now_add=True)
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "person"], name="a_person_is_asked_about_an_item_once"
            )
        ]
        indexes = [
            models.Index(fields=["person", "-answered_at"], name="own_answers_newest_first"),
            models.Index(
                fields=["person", "shown_at", "id"],
                condition=Q(answered_at=None, returned_at=None),
                name="own_open_assignments",
            ),
            models.Index(
                fields=["person"],
                condition=Q(second_draft__isnull=False),
                name="own_second_looks_begun",
            ),
            models.Index(
                fields=["held_until"],
                condition=Q(answered_at=None, returned_at=None, held_until__isnull=False),
                name="leases_by_their_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} to {self.person_id}"


class SkipReason(models.TextChoices):
    """Why a coder passes on an interview; `other` says it in words of their own."""

    LANGUAGE = "language", _("I do not read this language well enough")
    TEXT = "text", _("the text is damaged, empty or no interview")
    KNOWN = "known", _("I know this person")
    BURDEN = "burden", _("I would rather not read this")
    OTHER = "other", _("another reason")


class SubmissionKind(models.TextChoices):
    ANSWER = "answer", _("answer")
    SKIP = "skip", _("skip")
    SECOND = "second", _("second look")


class Submission(models.Model):
    """What a coder sent about an assignment, as it was kept then; never changed.

    Sent again under the same name it is known again, whatever came after it.
    """

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="submissions")
    client_id = models.UUIDField(_("client id"))
    kind = models.CharField(_("kind"), max_length=6, choices=SubmissionKind)
    version = models.PositiveIntegerField(_("version"))
    # {"said": [...], "decided": [...], "left": [...], "note": "", "confidence": null}
    said = models.JSONField(_("said"), default=dict)
    sent_at = models.DateTimeField(_("sent"), auto_now_add=True)

    class Meta:
        verbose_name = _("submission")
        verbose_name_plural = _("submissions")
        constraints = [
            models.UniqueConstraint(
                fields=["assignment", "client_id"], name="a_submission_is_kept_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=SubmissionKind.values),
                name="a_submission_is_an_answer_a_skip_or_a_second_look",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.assignment_id}.{self.version}: {self.kind}"


class Ruling(models.Model):
    """What holds for an item and a code after a disagreement was settled; codings stay."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="rulings")
    code = models.ForeignKey(Code, models.PROTECT, related_name="rulings")
    applies = models.BooleanField(_("applies"), null=True)
    value = models.FloatField(_("value"), null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="rulings")
    why = models.TextField(_("why"), blank=True)
    ruled_at = models.DateTimeField(_("ruled"), auto_now_add=True)

    class Meta:
        verbose_name = _("ruling")
        verbose_name_plural = _("rulings")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "code"], name="a_code_is_ruled_on_once_per_item"
            )
        ]

    def __str__(self) -> str:
        return f"{self.item_id}/{self.code_id}"
