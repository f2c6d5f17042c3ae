"""A study and its people; participants, transcripts and the segments that are coded."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Unit(models.TextChoices):
    """What one coding decides about."""

    INTERVIEW = "interview", _("whole interview")
    ANSWER = "answer", _("one answer")


class StudyQuerySet(models.QuerySet["Study"]):
    def of(self, person: Any) -> "StudyQuerySet":
        """The studies that `person` may see."""
        if not person.is_authenticated:
            return self.none()
        return self if person.is_superuser else self.filter(memberships__person=person).distinct()


class Study(models.Model):
    """One body of interviews, with the people who work on it."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    unit = models.CharField(_("unit"), max_length=10, choices=Unit, default=Unit.INTERVIEW)
    fictional = models.BooleanField(_("fictional"), default=False)
    # Speaker label -> role, as a person corrected it; wins over the role guessed at import.
    speaker_roles = models.JSONField(_("roles of speakers"), default=dict, blank=True)
    # Whether a coder who says yes must point at words that say so.
    evidence_required = models.BooleanField(_("a yes needs evidence"), default=False)
    # Who agreed to be quoted: {"attribute": "consent", "values": ["yes"]}; empty means nobody did.
    quotable = models.JSONField(_("who may be quoted"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[Any] = StudyQuerySet.as_manager()

    class Meta:
        verbose_name = _("study")
        verbose_name_plural = _("studies")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    LEAD = "lead", _("lead")
    CODER = "coder", _("coder")
    READER = "reader", _("reader")


class Membership(models.Model):
    """A person's part in a study, under the name that the study's files use for them."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="memberships")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    name = models.CharField(_("name in the study"), max_length=150)
    role = models.CharField(_("role"), max_length=10, choices=Role)
    # The languages they code in; empty means every language.
    reads = models.JSONField(_("reads"), default=list, blank=True)
    # Their own keys on the review page: {"submit": "Enter", "flag": "KeyG"}.
    keys = models.JSONField(_("keys"), default=dict, blank=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["study", "person"], name="a_person_is_in_a_study_once"),
            models.UniqueConstraint(
                fields=["study", "name"], name="a_name_means_one_person_in_a_study"
            ),
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="a_role_is_lead_coder_or_reader"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """A link by which one person joins a study in one role; only a digest of it is kept."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="invitations")
    name = models.CharField(_("name in the study"), max_length=150)
    role = models.CharField(_("role"), max_length=10, choices=Role)
    reads = models.JSONField(_("reads"), default=list, blank=True)
    digest = models.CharField(_("SHA-256 of the link"), max_length=64, unique=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="invitations_made"
    )
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    ends_at = models.DateTimeField(_("ends"))
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="invitations_accepted",
    )
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["study", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="an_invitation_is_to_a_known_role"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None),
                name="an_invitation_is_accepted_or_withdrawn",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.role}"


class Event(models.Model):
    """Who did what in a study, when, and how it stood before and after; never changed."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="events")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="events"
    )
    # As they were called then; a person who leaves stays readable.
    name = models.CharField(_("name in the study"), max_length=150, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    action = models.CharField(_("action"), max_length=50)
    subject = models.CharField(_("subject"), max_length=300, blank=True)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["study", "pk"]
        indexes = [models.Index(fields=["study", "-id"], name="events_newest_first")]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class Upload(models.Model):
    """Files with interviews that a lead sent at the site: looked at, imported in parts, forgotten.

    The files lie in a folder named `key`, as 1, 2, …; `names` is what they were called. Files and
    row go a day after the last use (`studies/uploads.py`).
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="uploads")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="uploads")
    key = models.CharField(_("key"), max_length=43, unique=True)
    names = models.JSONField(_("names of the files"), default=list)
    # What the columns are taken for: {"id": "", "text": [], "language": "", "attributes": []};
    # None is what their headers say.
    columns = models.JSONField(_("columns"), null=True)
    # What was imported so far: `imports.Imported`; None before the start.
    outcome = models.JSONField(_("outcome"), null=True)
    # Until when whoever imports a part of it just now has it for themselves.
    held_until = models.DateTimeField(_("held until"), null=True)
    used_at = models.DateTimeField(_("used"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["study", "pk"]

    def __str__(self) -> str:
        return ", ".join(self.names)


class Participant(models.Model):
    """Who was interviewed, with whatever attributes the file had."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="participants")
    external_id = models.CharField(_("id"), max_length=200)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    # How often the row was changed; the database counts, whoever changes it (migration 0003).
    edition = models.PositiveIntegerField(_("edition"), default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "external_id"], name="a_participant_is_in_a_study_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["study", "edition"],
                condition=Q(edition__gt=0),
                name="participants_changed",
            )
        ]

    def __str__(self) -> str:
        return self.external_id


class LanguageSource(models.TextChoices):
    DECLARED = "declared", _("declared in the file")
    DETECTED = "detected", _("detected")
    UNSURE = "unsure", _("unsure: a person must look")
    CORRECTED = "corrected", _("corrected by a person")


class TranscriptQuerySet(models.QuerySet["Transcript"]):
    def unsure(self) -> "TranscriptQuerySet":
        """Those whose language a person must look at."""
        return self.filter(language_source=LanguageSource.UNSURE)

    def in_use(self) -> "TranscriptQuerySet":
        """Those whose text must stay: something hangs on a segment, such as a coding or a sample.

        What that may be is known to the apps above, so every relation to Segment is asked.
        """
        used = Q(pk__in=[])
        for relation in Segment._meta.related_objects:
            rows = relation.related_model._base_manager
            used |= Q(Exists(rows.filter(**{f"{relation.field.name}__transcript": OuterRef("pk")})))
        return self.filter(used)


class Transcript(models.Model):
    """One interview's text, with LF line ends and no BOM, never changed after import.

    `turns` is a list of [start, end, speaker, role]: half-open code-point ranges of the words
    spoken (the label left out), in order; role is "interviewer" or "participant" as guessed.
    """

    # text and turns stand last: SQLite then reads counts and lists without touching them.
    study = models.ForeignKey(Study, models.CASCADE, related_name="transcripts")
    participant = models.ForeignKey(Participant, models.CASCADE, related_name="transcripts")
    external_id = models.CharField(_("id"), max_length=200)
    language = models.CharField(_("language"), max_length=35, default="und")
    language_source = models.CharField(
        _("language is"), max_length=10, choices=LanguageSource, default=LanguageSource.UNSURE
    )
    language_probability = models.FloatField(_("probability of the language"), null=True)
    # {"langdetect": ["pt", 0.99], "py3langid": ["gl", 0.61]}
    language_votes = models.JSONField(_("votes of the detectors"), default=dict, blank=True)
    source_name = models.CharField(_("file"), max_length=300, blank=True)
    digest = models.CharField(_("SHA-256 of the text"), max_length=64)
    length = models.PositiveIntegerField(_("length in code points"))
    imported_at = models.DateTimeField(_("imported"), auto_now_add=True)
    turns = models.JSONField(_("turns"), default=list, blank=True)
    text = models.TextField(_("text"))

    objects: ClassVar[Any] = TranscriptQuerySet.as_manager()

    class Meta:
        verbose_name = _("transcript")
        verbose_name_plural = _("transcripts")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "external_id"], name="a_transcript_is_in_a_study_once"
            ),
            models.CheckConstraint(
                condition=Q(language_source__in=LanguageSource.values),
                name="a_language_is_declared_detected_unsure_or_corrected",
            ),
        ]
        indexes = [
            # The list is read from these alone, whatever it is cut down to, and never from texts.
            models.Index(
                fields=["study", "language", "language_source"], name="transcripts_by_language"
            ),
            models.Index(fields=["study", "language_source"], name="transcripts_by_source"),
            models.Index(
                fields=["study", "external_id", "language", "language_source"],
                name="transcripts_by_id",
            ),
            models.Index(
                fields=["study", "length", "language", "language_source"],
                name="transcripts_by_length",
            ),
        ]

    def __str__(self) -> str:
        return self.external_id


class Translation(models.Model):
    """An interview in another language, turn by turn, for whoever reads it; never evidence."""

    transcript = models.ForeignKey(Transcript, models.CASCADE, related_name="translations")
    language = models.CharField(_("language"), max_length=35)
    # The name of the model or person that made it, or of the file it came from.
    maker = models.CharField(_("made by"), max_length=200)
    machine = models.BooleanField(_("made by a machine"), default=True)
    made_at = models.DateTimeField(_("made"), auto_now_add=True)
    # {"0": "…", "57": "…"}: where a turn starts in the text, and its words. A turn that is cut
    # anew later has none.
    turns = models.JSONField(_("turns"), default=dict)

    class Meta:
        verbose_name = _("translation")
        verbose_name_plural = _("translations")
        constraints = [
            models.UniqueConstraint(
                fields=["transcript", "language"],
                name="an_interview_has_one_translation_into_a_language",
            )
        ]

    def __str__(self) -> str:
        return f"{self.transcript_id}: {self.language}"


class Withdrawn(models.Model):
    """An interview whose participant took it back: its id alone, so that it is not imported again.

    What hung on it is gone (`reviews/withdrawing.py`); who did it and why is in the trail.
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="withdrawn")
    external_id = models.CharField(_("id"), max_length=200)
    at = models.DateTimeField(_("withdrawn"), auto_now_add=True)

    class Meta:
        verbose_name = _("withdrawn interview")
        verbose_name_plural = _("withdrawn interviews")
        ordering = ["study", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "external_id"], name="an_interview_is_withdrawn_once"
            )
        ]

    def __str__(self) -> str:
        return self.external_id


class Searchable(models.Model):
    """A piece of a transcript whose words the search holds under this row's number.

    The words themselves are in `studies_words` (SQLite, FTS5) or in a column `words` of this
    table (PostgreSQL), which only `studies/search.py` reads and writes.
    """

    transcript = models.ForeignKey(Transcript, models.CASCADE, related_name="searchable")
    piece = models.PositiveIntegerField(_("piece"))

    class Meta:
        verbose_name = _("searchable piece")
        verbose_name_plural = _("searchable pieces")
        constraints = [
            models.UniqueConstraint(
                fields=["transcript", "piece"], name="pieces_of_a_transcript_are_numbered"
            )
        ]

    def __str__(self) -> str:
        return f"{self.transcript_id}: {self.piece}"


class Segment(models.Model):
    """The unit of coding: the whole interview, or one answer; a code-point range of the text."""

    transcript = models.ForeignKey(Transcript, models.CASCADE, related_name="segments")
    index = models.PositiveIntegerField(_("number"))
    start = models.PositiveIntegerField(_("start"))
    end = models.PositiveIntegerField(_("end"))

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["transcript", "index"]
        constraints = [
            models.UniqueConstraint(
                fields=["transcript", "index"], name="segments_of_a_transcript_are_numbered"
            ),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="a_segment_is_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.transcript_id}:{self.index}"
