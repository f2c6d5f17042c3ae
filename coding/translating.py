"""Have Claude translate a study's interviews into one language, turn by turn.

What is left to do is what has no translation; so the same call goes on where it was. One process
at a time translates a study into a language: it holds the `TranslationRun` while it is alive. The
ledger's row is there before its request, and a long interview is asked for in pieces, whose answers
are found in the ledger again after a crash and not paid for twice.
"""

import heapq
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from coding import bulk, leases
from coding.coders import Failed, Stopped, Translated
from coding.coders.messages import CUT_OFF
from coding.crew import Crew, listening
from coding.leases import Answer, Pace, Piece, Sent
from coding.models import Outcome, TranslationAttempt, TranslationRun
from coding.prices import Price
from coding.translation_costs import asked_of, translator_for
from coding.translation_prompts import (
    Bit,
    bits,
    digest,
    passage_of,
    pieces,
    room_for,
    together,
)
from coding.translations import foreign, is_held, standing, to_do, untranslated
from studies.audit import Action, record
from studies.models import Study, Transcript
from studies.problems import Problem, _
from studies.translations import keep
from studies.turns import with_roles

THREADS = 8
MOST_THREADS = 32
READ_AT_ONCE = 20  # interviews whose texts are in memory besides those that are asked about
TABLE = TranslationRun._meta.db_table


def take_up(study: Study, into: str, budget: Decimal | None) -> TranslationRun:
    """Return the run of `study` into a language, made if there is none, with its new `budget`."""
    run, _new = TranslationRun.objects.get_or_create(study=study, language=into)
    if budget is not None:
        TranslationRun.objects.filter(pk=run.pk).update(budget=budget)
    run.refresh_from_db()
    return run


def hold(run: TranslationRun, owner: str) -> None:
    """Have `owner` translate, and nobody else; a Problem if somebody alive does already."""
    with transaction.atomic():
        row = TranslationRun.objects.select_for_update().get(pk=run.pk)
        if is_held(row):
            raise Problem(
                _(
                    "“%(study)s” is being translated into %(language)s already: wait for it, or "
                    "stop it first."
                ),
                study=run.study.slug,
                language=run.language,
            )
        now = timezone.now()
        row.owner, row.owned_since, row.lease_until = owner, now, now + leases.LEASE
        row.stopped_because = ""
        row.save(update_fields=["owner", "owned_since", "lease_until", "stopped_because"])


@dataclass
class Interview:
    """An interview that is being translated: its bits, and what of them is translated."""

    pk: int
    digest: str
    text: str
    language: str
    bits: list[Bit]
    words: dict[int, str] = field(default_factory=dict)
    over: bool = False  # kept, or given up

    def whole(self) -> bool:
        """Return whether all of it is translated."""
        return len(self.words) == len(self.bits)


@dataclass
class Portion(Piece):
    """A piece of work that is some `bits` of an interview."""

    interview: Interview = field(kw_only=True)
    bits: list[Bit] = field(kw_only=True)


def portion(piece: Piece) -> Portion:
    """Return `piece` as what it is here."""
    assert isinstance(piece, Portion)  # noqa: S101  the crew has no others
    return piece


class Translating(Crew):
    """One process's translating of `rows` of a study, by its run."""

    coder: Any

    def __init__(
        self,
        run: TranslationRun,
        translator: Any,
        rows: "QuerySet[Transcript]",
        rate: Price,
        threads: int,
        advance: Callable[[int], None] | None,
        pace: Pace,
    ) -> None:
        super().__init__(translator, threads, advance, pace, rate)
        self.run = run
        self.rows = rows
        self.roles = run.study.speaker_roles
        self.left: deque[int] = deque()  # interviews that are not read yet
        self.spare: deque[Portion] = deque()  # read, and not yet asked about
        self.later: list[tuple[datetime, int, Portion]] = []  # what waits for a service
        self.numbers = count(1)
        self.cut_in_two: set[int] = set()
        self.gave_up: dict[int, int] = {}  # the ledger's row of a piece that was given up
        self.ended_now = 0
        self.kept = 0
        self.proven = run.ledger.filter(outcome=Outcome.OK).exists()
        self.renewed = timezone.now()

    def go(self, until: float | None = None) -> None:
        """Translate until nothing is left or it has to stop; a Problem if somebody else does."""
        leases.at_work.add(self.owner)
        try:
            hold(self.run, self.owner)
        except Problem:
            leases.at_work.discard(self.owner)
            raise
        self.left.extend(self.rows.order_by("pk").values_list("pk", flat=True))
        super().go(until)

    def keep(self) -> None:
        """Go on holding the run."""
        if timezone.now() - self.renewed > leases.LEASE / 4:
            self.renewed = timezone.now()
            held = TranslationRun.objects.filter(pk=self.run.pk, owner=self.owner)
            if not held.update(lease_until=self.renewed + leases.LEASE):
                self.told = _("Somebody else has taken it over.")

    def lease(self, count: int) -> list[Piece]:
        """Return up to `count` pieces that are due, reading interviews as they are needed."""
        found: list[Portion] = []
        now = timezone.now()
        while self.later and self.later[0][0] <= now and len(found) < count:
            found.append(heapq.heappop(self.later)[2])
        while len(found) < count and (self.spare or self.left):
            if not self.spare:
                self.read_more()
                continue
            found.append(self.spare.popleft())
        return [piece for piece in found if not piece.interview.over]

    def read_more(self) -> None:
        """Read some of the interviews that are left, and what was paid for of them before."""
        keys = [self.left.popleft() for _ in range(min(READ_AT_ONCE, len(self.left)))]
        rows = Transcript.objects.filter(pk__in=keys).order_by("pk")
        paid = self.paid_for(keys)
        for row in rows.only("digest", "text", "language", "turns"):
            found = bits(row.text, with_roles(row.turns, self.roles))
            interview = Interview(row.pk, row.digest, row.text, row.language, found)
            todo, words = self.recalled(interview, paid)
            if not todo:  # all of it was translated once, and somebody did not want that
                todo, words = self.pieces_of(interview), {}
            interview.words = words
            self.spare.extend(todo)
            self.ended_now += not todo  # nobody says a word in it
        self.tell()

    def pieces_of(self, interview: Interview) -> list[Portion]:
        """Return all of an interview in pieces."""
        return [self.piece(interview, part) for part in pieces(interview.bits)]

    def recalled(
        self, interview: Interview, paid: Mapping[str, Mapping[str, bytes]]
    ) -> tuple[list[Portion], dict[int, str]]:
        """Return what of an interview is to be asked about, and the words that were `paid` for."""
        waiting = deque(self.pieces_of(interview))
        todo: list[Portion] = []
        words: dict[int, str] = {}
        while waiting:
            piece = waiting.popleft()
            earlier = paid.get(self.digest(piece), {}) if paid else {}
            if Outcome.OK in earlier and (said := self.reread(piece, earlier[Outcome.OK])):
                words |= said
            elif Outcome.INVALID in earlier and len(piece.bits) > 1:
                waiting.extendleft(reversed(self.halves(piece)))
            else:
                todo.append(piece)
        return todo, words

    def paid_for(self, keys: Sequence[int]) -> dict[str, dict[str, bytes]]:
        """Return earlier answers about interviews with these `keys`, by digest and outcome: those
        that can be used, and those that were cut off."""
        rows = self.run.ledger.filter(transcript__in=keys, answer__isnull=False)
        rows = rows.filter(Q(outcome=Outcome.OK) | Q(outcome=Outcome.INVALID, error=CUT_OFF))
        found: dict[str, dict[str, bytes]] = {}
        for key, outcome, answer in rows.order_by("pk").values_list("digest", "outcome", "answer"):
            found.setdefault(key, {})[outcome] = bytes(answer or b"")
        return found

    def reread(self, piece: Portion, answer: bytes) -> Mapping[int, str]:
        """Return what an earlier `answer` says of `piece`; nothing if it is of no use."""
        outcome = self.coder.read(zlib.decompress(answer), piece.passage).outcome
        return outcome.words if isinstance(outcome, Translated) else {}

    def piece(self, interview: Interview, part: Sequence[Bit]) -> Portion:
        """Return a piece of work: some bits of an interview."""
        return Portion(
            work=next(self.numbers),
            segment=interview.pk,
            passage=passage_of(interview.text, interview.bits, part, interview.language),
            interview=interview,
            bits=list(part),
        )

    def halves(self, piece: Portion) -> list[Portion]:
        """Return `piece`, whose answer was cut off, in two, each with more room."""
        middle = len(piece.bits) // 2
        made = [
            self.piece(piece.interview, part) for part in (piece.bits[:middle], piece.bits[middle:])
        ]
        for half in made:
            half.after = Failed(CUT_OFF, 0.0, cut=True)
        return made

    def digest(self, piece: Portion) -> str:
        """Return what `piece` is known by in the ledger."""
        return digest(self.coder.model, self.coder.message(piece.passage))

    def measured(self, piece: Piece) -> tuple[int, int] | None:
        """Return how many bytes a request about `piece` has at most, and tokens its answer."""
        return self.coder.size(piece.passage), room_for(piece.passage, piece.after)

    def begin(self, asked: Sequence[tuple[Piece, Decimal]]) -> list[Piece] | None:
        """Write the ledger's rows for requests that are about to be sent; return those to send."""
        wanted = [(portion(piece), most) for piece, most in asked]
        wanted = [(piece, most) for piece, most in wanted if not piece.interview.over]
        rows = [
            TranslationAttempt(
                run=self.run,
                transcript_id=piece.segment,
                first=piece.bits[0].number,
                last=piece.bits[-1].number,
                digest=self.digest(piece),
                model=self.coder.model,
                cost=most,
            )
            for piece, most in wanted
        ]
        with transaction.atomic():
            # Whoever deleted an interview meanwhile does not want it translated.
            keys = {row.transcript_id for row in rows}
            there = set(Transcript.objects.filter(pk__in=keys).values_list("pk", flat=True))
            rows = [row for row in rows if row.transcript_id in there]
            if not leases.take_out(TABLE, self.run.pk, sum((row.cost for row in rows), Decimal(0))):
                return None
            TranslationAttempt.objects.bulk_create(rows)
        sent = [piece for piece, _most in wanted if piece.segment in there]
        for piece, row in zip(sent, rows, strict=True):
            piece.attempts += 1
            piece.attempt = Sent(row.pk, row.model, row.cost)
        return list(sent)

    def settle(self, answers: Sequence[Answer]) -> list[Piece]:
        """Write down how `answers` ended; return the pieces to be asked about at once."""
        again: list[Piece] = []
        now = timezone.now()
        with transaction.atomic():
            numbers = self.book(answers, now)
            for answer in answers:
                again += self.take(answer, numbers.get(answer.piece.work), now)
        self.tell()
        return again

    def book(self, answers: Sequence[Answer], now: datetime) -> dict[int, int]:
        """Settle the ledger's rows of `answers`; return the row of each piece."""
        rows, freed = leases.ended(answers, self.price, now)
        if rows:
            named = [(number, *row) for _work, number, row in rows]
            bulk.update(TranslationAttempt, 1, ("id", *leases.BOOKED), named)
            leases.put_in(TABLE, self.run.pk, freed)
        return {work: number for work, number, _row in rows}

    def take(self, answer: Answer, row: int | None, now: datetime) -> list[Piece]:
        """Take what `answer` says, and return what is to be asked about at once because of it."""
        piece, outcome = portion(answer.piece), answer.reply.outcome
        interview = piece.interview
        if interview.over:
            return []
        if isinstance(outcome, Translated):
            interview.words.update(outcome.words)
            if interview.whole():
                self.finish(interview)
            return []
        if isinstance(outcome, Stopped):
            return [piece]
        if isinstance(outcome, Failed):
            if outcome.cut and len(piece.bits) > 1:
                self.cut_in_two.add(piece.work)
                return [*reversed(self.halves(piece))]
            if leases.usable_again(piece, outcome, self.pace):
                if not outcome.service:
                    piece.tries += 1
                    piece.after = outcome
                    return [piece]
                wait = self.pace.wait(piece.failures, outcome.wait or 0.0)
                due = now + timedelta(seconds=wait)
                heapq.heappush(self.later, (due, piece.work, piece))
                return []
        interview.over = True
        self.ended_now += 1
        if row is not None:
            self.gave_up[piece.work] = row
            TranslationAttempt.objects.filter(pk=row).update(gave_up=True)
        return []

    def finish(self, interview: Interview) -> None:
        """Keep the translation of an interview, unless one came or the text went meanwhile."""
        interview.over = True
        self.ended_now += 1
        there = Transcript.objects.select_for_update().only("pk")
        transcript = there.filter(pk=interview.pk, digest=interview.digest).first()
        into = self.run.language
        if transcript is None or transcript.translations.filter(language=into).exists():
            return
        words = together(interview.text, interview.bits, interview.words)
        keep(transcript, into, words, maker=self.coder.model, machine=True)
        self.kept += 1

    def tell(self) -> None:
        """Tell how many interviews ended since this was last told."""
        ended, self.ended_now = self.ended_now, 0
        if ended:
            self.advance(ended)

    def how_many_ended(self, _answers: Sequence[Answer], _again: Sequence[Piece]) -> int:
        """Return nothing: it is told where interviews end."""
        return 0

    def judge(self, answer: Answer, *, over: bool) -> None:
        """Draw conclusions from how an answer ended; one that was too long for its room is no
        sign of anything."""
        if answer.piece.work not in self.cut_in_two:
            super().judge(answer, over=over)

    def due(self) -> datetime | None:
        """Return when something may be asked about next; None when nothing is left."""
        if self.spare or self.left:
            return timezone.now()
        return self.later[0][0] if self.later else None

    def give_back(self) -> None:
        """Let others translate."""
        held = TranslationRun.objects.filter(pk=self.run.pk, owner=self.owner)
        held.update(owner="", lease_until=None)

    def conclude(self) -> None:
        """Write down why it does not go on, if it does not."""
        if self.because:
            TranslationRun.objects.filter(pk=self.run.pk).update(
                stopped_because=leases.clean(self.because)
            )
            if self.bad and not self.good:
                rows = [self.gave_up[work] for work in self.bad if work in self.gave_up]
                TranslationAttempt.objects.filter(pk__in=rows).update(gave_up=False)
        self.run.refresh_from_db()


def translate(
    study: Study,
    into: str,
    *,
    model: str = "",
    budget: Decimal | None = None,
    base_url: str = "",
    service: str = "",
    languages: Sequence[str] = (),
    within: "QuerySet[Any] | None" = None,
    threads: int = THREADS,
    again_failed: bool = False,
    advance: Callable[[int], None] | None = None,
    pace: Pace | None = None,
    listen: bool = False,
) -> dict[str, Any]:
    """Have Claude translate what is left of `study` into a language; return how that stands.

    The interviews are those of `foreign`. What was given up before is asked about `again_failed`.
    It stops before more than `budget` USD are spent on translations of this study into this
    language in all, and keeps to the budget given last where none is given now.
    """
    model, service, rate = asked_of(model, service)
    with closing(translator_for(into, model, base_url, service)) as translator:
        run = take_up(study, into, budget)
        rows = foreign(study, into, languages, within)
        if again_failed:
            failed = run.ledger.filter(gave_up=True, transcript__in=rows.values("pk"))
            failed.update(gave_up=False)
        left = to_do(study, rows, into)
        if interviews := left.count():
            limit = str(run.budget) if run.budget is not None else None
            said = {"languages": [into], "model": model, "budget": limit, "interviews": interviews}
            record(study, None, Action.TRANSLATION_STARTED, into, after=said)
            loop = Translating(run, translator, left, rate, threads, advance, pace or Pace())
            with listening(loop) if listen else nullcontext():
                loop.go()
            if loop.told:
                raise Problem(loop.told)
    run.refresh_from_db()
    return {
        **standing(run),
        "model": model,
        "interviews": {
            "left": to_do(study, rows, into).count(),
            "given_up": untranslated(rows, into).count() - to_do(study, rows, into).count(),
            "all": rows.count(),
        },
    }
