"""Runs of a coder, the work table and the ledger; codings, marks and their evidence."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from codebooks.models import Code, Revision
from studies.models import Segment, Study, Transcript


class CoderKind(models.TextChoices):
    CLAUDE = "claude", _("Claude")
    EMBEDDED = "embedded", _("similarity suggester (offline, not a language model)")
    IMPORTED = "imported", _("a model elsewhere")


class Run(models.Model):
    """One coder going through a study's segments with one frozen revision of the codebook."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="runs")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="runs")
    coder = models.CharField(_("coder"), max_length=10, choices=CoderKind)
    name = models.CharField(_("name"), max_length=200)
    model = models.CharField(_("model"), max_length=200)
    prompt_digest = models.CharField(_("SHA-256 of the prompt"), max_length=64, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    budget = models.DecimalField(
        _("budget in USD"), max_digits=16, decimal_places=10, null=True, blank=True
    )
    # What the ledger's rows cost so far, with the most that open ones can cost: never over budget.
    committed = models.DecimalField(
        _("committed in USD"), max_digits=16, decimal_places=10, default=0, editable=False
    )
    # The same coder asked again about a share of the segments: does it agree with itself?
    replicate_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="replicates"
    )
    replicate = models.PositiveSmallIntegerField(_("replicate"), default=0)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    # Why the run does not go on by itself (a spent budget, a refused key); empty while it may.
    stopped_because = models.TextField(_("stopped because"), blank=True)
    # When workers were last told of it; empty while a run is only its command's business.
    woken_at = models.DateTimeField(_("woken"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["study", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(coder__in=CoderKind.values), name="a_run_is_by_a_known_coder"
            ),
            # Asking for the same again is going on with the run there is.
            models.UniqueConstraint(
                fields=["study", "revision", "coder", "model", "prompt_digest", "replicate"],
                condition=~Q(prompt_digest=""),
                name="the_same_run_is_started_once",
            ),
            models.CheckConstraint(
                condition=Q(replicate=0) ^ Q(replicate_of__isnull=False),
                name="a_replicate_has_a_number_and_a_run",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class State(models.TextChoices):
    PENDING = "pending", _("waiting")
    LEASED = "leased", _("in work")
    DONE = "done", _("done")
    REFUSED = "refused", _("refused or not covered")
    FAILED = "failed", _("failed")
    CANCELED = "canceled", _("canceled")


class Work(models.Model):
    """What is to be done: one row per run and segment, from pending to a terminal state."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="work")
    segment = models.ForeignKey(Segment, models.CASCADE, related_name="work")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.PENDING)
    owner = models.CharField(_("owner"), max_length=64, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True)
    not_before = models.DateTimeField(_("not before"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    # Attempts that no longer count against it since somebody asked for it again.
    forgiven = models.PositiveIntegerField(_("forgiven"), default=0)
    reason = models.TextField(_("reason"), blank=True)
    # Signs that somebody in the segment speaks to the machine (`coding/addressed.py`), by commas.
    addressed = models.CharField(
        _("signs of words to the machine"), max_length=60, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("piece of work")
        verbose_name_plural = _("work")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "segment"], name="a_segment_is_coded_once_in_a_run"
            ),
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="work_is_in_a_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state="leased") | (Q(lease_until__isnull=False) & ~Q(owner="")),
                name="leased_work_has_an_owner_and_an_end",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["refused", "failed", "canceled"]) | ~Q(reason=""),
                name="a_failure_has_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["run", "state", "id"], name="work_by_state")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.segment_id}: {self.state}"


class BatchState(models.TextChoices):
    """How far a batch is; one that is being sent may have arrived or not until it is looked for."""

    SENDING = "sending", _("being sent")
    RUNNING = "running", _("with the service")
    SETTLED = "settled", _("settled")
    LOST = "lost", _("never arrived")


class Batch(models.Model):
    """Many requests sent as one: written before it is sent, with a row of the ledger for each.

    The name of a request at the service is the batch's `key` and the number of its work.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="batches")
    key = models.CharField(_("key"), max_length=32, unique=True)
    remote_id = models.CharField(_("id at the service"), max_length=100, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=BatchState, default=BatchState.SENDING
    )
    requests = models.PositiveIntegerField(_("requests"))
    size = models.PositiveBigIntegerField(_("bytes"))
    # Who is sending it, until it has arrived or its sender no longer knows.
    sender = models.CharField(_("sender"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    doubted_at = models.DateTimeField(_("in doubt since"), null=True)
    canceled_at = models.DateTimeField(_("canceled"), null=True)
    settled_at = models.DateTimeField(_("settled"), null=True)

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=BatchState.values), name="a_batch_is_in_a_known_state"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["running", "settled"]) | ~Q(remote_id=""),
                name="a_batch_that_arrived_has_an_id",
            ),
            models.UniqueConstraint(
                fields=["remote_id"], condition=~Q(remote_id=""), name="a_batch_is_adopted_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["sending", "running"]) ^ Q(settled_at__isnull=False),
                name="a_batch_is_open_or_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remote_id or self.key}: {self.state}"


class Outcome(models.TextChoices):
    """How an attempt ended; SENT is one whose end is not known (maybe billed)."""

    SENT = "sent", _("sent, answer unknown")
    OK = "ok", _("answered")
    INVALID = "invalid", _("answered, but not usable")
    REFUSED = "refused", _("refused")
    ERROR = "error", _("no answer")


class Request(models.Model):
    """What the ledger says of a request: written before it is sent, settled once, never changed
    after.

    Where the tokens are not known (no answer yet, or it was lost on the way), `cost` is the most
    that it can have cost, and whether it was charged only the service knows: "maybe billed".
    """

    sent_at = models.DateTimeField(_("sent"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled"), null=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome, default=Outcome.SENT)
    model = models.CharField(_("model"), max_length=200)
    request_id = models.CharField(_("request id"), max_length=100, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"), null=True)
    output_tokens = models.PositiveIntegerField(_("output tokens"), null=True)
    cache_read_tokens = models.PositiveIntegerField(_("tokens read from the cache"), null=True)
    cache_write_tokens = models.PositiveIntegerField(_("tokens written to the cache"), null=True)
    cost = models.DecimalField(_("cost in USD"), max_digits=16, decimal_places=10, default=0)
    error = models.TextField(_("error"), blank=True)
    # The answer as it came, zlib-compressed: there is no seed any more, so this is the record.
    answer = models.BinaryField(_("answer"), null=True)

    class Meta:
        abstract = True


class Attempt(Request):
    """One request to a model about a piece of work."""

    work = models.ForeignKey(Work, models.CASCADE, related_name="ledger")
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, related_name="ledger")
    number = models.PositiveIntegerField(_("number"))

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.UniqueConstraint(fields=["work", "number"], name="attempts_are_numbered"),
            models.CheckConstraint(
                condition=Q(outcome="sent") ^ Q(settled_at__isnull=False),
                name="an_attempt_is_sent_or_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.work_id}.{self.number}: {self.outcome}"


class TranslationRun(models.Model):
    """A study's interviews being translated into one language, by one process at a time.

    What is translated is kept as `studies.models.Translation`; what is left is what has none.
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="translation_runs")
    language = models.CharField(_("into"), max_length=35)
    budget = models.DecimalField(
        _("budget in USD"), max_digits=16, decimal_places=10, null=True, blank=True
    )
    # What the ledger's rows cost so far, with the most that open ones can cost: never over budget.
    committed = models.DecimalField(
        _("committed in USD"), max_digits=16, decimal_places=10, default=0, editable=False
    )
    owner = models.CharField(_("owner"), max_length=64, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True)
    # Since when its owner is at work: what was open before then, nobody waits for any more.
    owned_since = models.DateTimeField(_("owned since"), null=True)
    stopped_because = models.TextField(_("stopped because"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("translation run")
        verbose_name_plural = _("translation runs")
        ordering = ["study", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "language"], name="a_study_is_translated_into_a_language_once"
            ),
            models.CheckConstraint(
                condition=Q(owner="")
                | (Q(lease_until__isnull=False) & Q(owned_since__isnull=False)),
                name="a_translation_run_that_is_owned_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study_id}: {self.language}"


class TranslationAttempt(Request):
    """One request for a translation.

    It is about the bits of an interview from `first` to `last`: its turns, where none is too long.
    `gave_up` says that after it the interview is not asked about any more, until somebody asks for
    what failed.
    """

    run = models.ForeignKey(TranslationRun, models.CASCADE, related_name="ledger")
    transcript = models.ForeignKey(Transcript, models.CASCADE, related_name="translation_ledger")
    first = models.PositiveIntegerField(_("first turn"))
    last = models.PositiveIntegerField(_("last turn"))
    # Of all that shapes the answer: what was paid for is known again by it.
    digest = models.CharField(_("SHA-256 of what was asked"), max_length=64)
    gave_up = models.BooleanField(_("given up"), default=False)

    class Meta:
        verbose_name = _("attempt at a translation")
        verbose_name_plural = _("attempts at translations")
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="sent") ^ Q(settled_at__isnull=False),
                name="a_translation_attempt_is_sent_or_settled",
            ),
            models.CheckConstraint(
                condition=Q(gave_up=False) | ~Q(outcome__in=["sent", "ok"]),
                name="nothing_is_given_up_that_was_answered",
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "transcript"],
                condition=Q(gave_up=True),
                name="translations_given_up",
            )
        ]

    def __str__(self) -> str:
        return f"{self.transcript_id}, {self.first}–{self.last}: {self.outcome}"


class Allowance(models.Model):
    """What a service lets all workers together have in a minute, and what is left at `at`.

    The limits are what its headers tell, null where they tell none. What is left fills up
    continuously, to a small part of a minute’s worth (`coding/limits.py`).
    """

    service = models.CharField(_("address"), max_length=200, blank=True)
    # A digest that tells one key from another without telling the key.
    account = models.CharField(_("account"), max_length=16, blank=True)
    model = models.CharField(_("model"), max_length=200)
    requests = models.PositiveBigIntegerField(_("requests a minute"), null=True)
    input = models.PositiveBigIntegerField(_("input tokens a minute"), null=True)
    output = models.PositiveBigIntegerField(_("output tokens a minute"), null=True)
    requests_left = models.FloatField(_("requests left"), default=0)
    input_left = models.FloatField(_("input tokens left"), default=0)
    output_left = models.FloatField(_("output tokens left"), default=0)
    at = models.DateTimeField(_("at"))
    # The service asked everybody to wait.
    closed_until = models.DateTimeField(_("closed until"), null=True)

    class Meta:
        verbose_name = _("allowance")
        verbose_name_plural = _("allowances")
        constraints = [
            models.UniqueConstraint(
                fields=["service", "account", "model"],
                name="an_account_has_one_allowance_for_a_model",
            )
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.model}"


class CodingKind(models.TextChoices):
    """How a person came to a coding; only blind ones enter an estimate."""

    BLIND = "blind", _("blind")
    ASSISTED = "assisted", _("assisted: after the machine’s answer was shown")
    TRAINING = "training", _("training")


class CodingQuerySet(models.QuerySet["Coding"]):
    def by_people(self) -> "CodingQuerySet":
        """Codings that people made without having seen another's: the only human evidence."""
        return self.filter(person__isnull=False, kind=CodingKind.BLIND)


class Coding(models.Model):
    """Somebody decided about a segment; without marks on a dimension it says: none applies.

    `dimensions` lists the keys of the dimensions decided in full. A code outside them counts as
    looked at only where a mark says so.
    """

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="codings")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="codings")
    run = models.ForeignKey(Run, models.CASCADE, null=True, blank=True, related_name="codings")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="codings"
    )
    kind = models.CharField(_("kind"), max_length=8, choices=CodingKind, default=CodingKind.BLIND)
    dimensions = models.JSONField(_("dimensions decided"), default=list)
    confidence = models.PositiveSmallIntegerField(_("confidence"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True)
    created_at = models.DateTimeField(_("coded"), auto_now_add=True)
    # How often it, a mark of it or its evidence was changed, and for people also added. The
    # database counts (migration 0003), so that no door can change what is said and not be noticed.
    edition = models.PositiveIntegerField(_("edition"), default=0, db_default=0, editable=False)

    objects: ClassVar[Any] = CodingQuerySet.as_manager()

    class Meta:
        verbose_name = _("coding")
        verbose_name_plural = _("codings")
        constraints = [
            models.CheckConstraint(
                condition=Q(run=None) ^ Q(person=None), name="coded_by_a_run_or_a_person"
            ),
            models.UniqueConstraint(fields=["run", "segment"], name="a_run_codes_a_segment_once"),
            models.UniqueConstraint(
                fields=["person", "segment", "revision", "kind"],
                name="a_person_codes_a_segment_once",
            ),
            models.CheckConstraint(
                condition=Q(kind="blind") | Q(kind__in=CodingKind.values, person__isnull=False),
                name="only_people_are_assisted_or_trained",
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=1, confidence__lte=3),
                name="confidence_in_a_coding_is_1_to_3",
            ),
        ]
        indexes = [
            # Whether anything was said anew is read from these alone.
            models.Index(
                fields=["revision", "kind", "person", "edition"],
                condition=Q(person__isnull=False),
                name="codings_by_people",
            ),
            models.Index(
                fields=["run", "edition"],
                condition=Q(run__isnull=False, edition__gt=0),
                name="codings_of_runs_changed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} by {self.run or self.person}"


class Answer(models.TextChoices):
    YES = "yes", _("applies")
    NO = "no", _("does not apply")
    UNSURE = "unsure", _("unsure")


class Mark(models.Model):
    """What was decided about one code; on a scale, `value` is where the segment stands."""

    coding = models.ForeignKey(Coding, models.CASCADE, related_name="marks")
    code = models.ForeignKey(Code, models.PROTECT, related_name="marks")
    answer = models.CharField(_("answer"), max_length=6, choices=Answer, default=Answer.YES)
    value = models.FloatField(_("value"), null=True, blank=True)
    confidence = models.FloatField(_("confidence"), null=True, blank=True)
    rationale = models.TextField(_("rationale"), blank=True)

    class Meta:
        verbose_name = _("mark")
        verbose_name_plural = _("marks")
        constraints = [
            models.UniqueConstraint(fields=["coding", "code"], name="a_code_is_applied_once"),
            models.CheckConstraint(
                condition=Q(answer__in=Answer.values), name="a_mark_says_yes_no_or_unsure"
            ),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__gte=0, confidence__lte=1),
                name="confidence_lies_between_0_and_1",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code_id}: {self.answer}"


class Found(models.TextChoices):
    """How a quotation was found in the text."""

    EXACT = "exact", _("word for word")
    FOLDED = "folded", _("but for spaces, quotes, dashes or letter forms")
    FUZZY = "fuzzy", _("nearly: needs review")
    INTERVIEWER = "interviewer", _("in the interviewer's words: not evidence")
    MISSING = "missing", _("not found")


class Evidence(models.Model):
    """A passage that supports a mark: a half-open code-point range of the transcript's text."""

    mark = models.ForeignKey(Mark, models.CASCADE, related_name="evidence")
    # What the coder quoted, kept where the text does not say it word for word.
    quote = models.TextField(_("quotation as given"), blank=True)
    start = models.PositiveIntegerField(_("start"), null=True, blank=True)
    end = models.PositiveIntegerField(_("end"), null=True, blank=True)
    found = models.CharField(_("found"), max_length=11, choices=Found)
    # A machine's or a person's rendering of the passage for readers, never evidence itself.
    translation = models.TextField(_("translation"), blank=True)

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints = [
            models.CheckConstraint(
                condition=(Q(found="missing") & Q(start=None) & Q(end=None))
                | (~Q(found="missing") & Q(end__gt=F("start"))),
                name="evidence_found_has_a_place_in_the_text",
            )
        ]

    def __str__(self) -> str:
        return f"{self.found} {self.start}-{self.end}"
