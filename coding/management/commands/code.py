import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console
from rich.table import Table

from codebooks.revisions import current_revision
from coding.batches import batch_loop
from coding.coders import Coder
from coding.coders.claude import MODEL, ClaudeCoder
from coding.coders.services import chosen, needs_batches
from coding.costs import costs, estimate, keep
from coding.crew import BUDGET_SPENT
from coding.doubts import doubts
from coding.leases import OPEN, ask_again
from coding.loop import work_loop
from coding.models import CoderKind, Run, State
from coding.prompts import write
from coding.replicates import start_replicates, still_to_repeat
from coding.runs import (
    amount,
    coder_for,
    embedded_run,
    findings,
    guide,
    progress,
    start_run,
)
from coding.tasks import wake
from coding.wording import estimate_sentences, money, reason, share
from config.commands import Command as BaseCommand
from config.commands import agreed, ask_whom
from config.commands import progress as progress_bar
from studies.models import Study
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark(
        "Have a coder go through all interviews of a study. Doing it again goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY", help=gettext("the study's short name"))
        parser.add_argument("--coder", default="embedded", choices=["embedded", "claude"])
        parser.add_argument(
            "--model", default="", help=gettext("with --coder claude: which model is asked")
        )
        parser.add_argument(
            "--budget", metavar="USD", help=gettext("stop before more than this is spent")
        )
        ask_whom(parser)
        parser.add_argument(
            "--queue",
            action="store_true",
            help=gettext("leave the work to the workers (needs CONCORD_BROKER)"),
        )
        parser.add_argument(
            "--batch",
            action="store_true",
            help=gettext("in batches: half the price, within a day; nobody has to stay for it"),
        )
        parser.add_argument(
            "--cancel",
            action="store_true",
            help=gettext("with --batch: stop the batches that were sent, keep what was answered"),
        )
        parser.add_argument("--threads", type=int, default=0, help=gettext("how many ask at once"))
        parser.add_argument(
            "--replicates",
            type=int,
            metavar="K",
            help=gettext("code a random share K times in all: does the coder agree with itself?"),
        )
        parser.add_argument(
            "--share",
            type=float,
            metavar="S",
            help=gettext("with --replicates: the share of the segments, 0.1 unless given"),
        )
        parser.add_argument(
            "--seed", type=int, help=gettext("with --replicates: made up if not given")
        )

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        limit = None if options["budget"] is None else amount(options["budget"])
        check(options)
        times = options["replicates"]
        where = {"base_url": options["base_url"], "service": options["service"]}
        if options["estimate"]:
            again = self.to_repeat(study, options) if times is not None else []
            planned = estimate(
                study, options["model"], coder=options["coder"], **where, again=again
            )
            return {
                "study": study.slug,
                "estimate": {**planned.as_json(), "batch": options["batch"]},
            }
        if options["queue"] and not settings.CELERY_BROKER_URL:
            raise Problem(mark("There are no workers: set CONCORD_BROKER, or leave out --queue."))
        result: dict[str, Any] = {}
        run = start_run(study, options["coder"], model=options["model"], budget=limit, **where)
        runs = [run]
        if times is not None:
            runs += start_replicates(run, times, share=options["share"], seed=options["seed"])
        if options["again_failed"]:
            for each in runs:
                ask_again(each)
        if left := [each for each in runs if open_work(each)]:
            with closing(coder_for(run)) as coder:
                if coder.remote:
                    again = [
                        segment for each in left if each.replicate for segment in open_work(each)
                    ]
                    planned = estimate(study, run.model, **where, again=again)
                    result["estimate"] = {**planned.as_json(), "batch": options["batch"]}
                    if not options["cancel"]:
                        keep(run, planned)
                        self.ask_first(result["estimate"], options)
                # One after the other: what the run itself needs is coded before anything again.
                for each in left:
                    self.bring_on(each, coder, options)
                    each.refresh_from_db()
                    if each.stopped_because:
                        break
        return {**result, **self.standing(runs)}

    def ask_first(self, planned: dict[str, Any], options: dict[str, Any]) -> None:
        """Say what it will cost, and ask whoever sits there before anything is sent."""
        told = Console(stderr=True, highlight=False)
        for sentence in estimate_sentences(planned, batch=options["batch"]):
            told.print(sentence, markup=False)
        if not options["yes"] and sys.stdin.isatty() and not agreed(told):
            raise Problem(mark("Nothing was sent."))

    def standing(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return how the run and its replicates stand; one that had to stop is a Problem."""
        run, *replicates = runs
        stands, repeats = progress(run), [progress(each) for each in replicates]
        stopped = (one["stopped"] for one in (stands, *repeats) if one["stopped"])
        stands["stopped"] = next(stopped, "")
        if stands["stopped"] and stands["stopped"] != BUDGET_SPENT:
            raise Problem(
                mark("The run stopped: %(why)s The same command goes on where it was."),
                why=reason(stands["stopped"]),
            )
        return {
            **stands,
            **findings(run),
            "costs": costs(run),
            "doubts": doubts(run),
            "replicates": repeats,
        }

    def to_repeat(self, study: Study, options: dict[str, Any]) -> list[int]:
        """Return the segments that replicates would have to code, before anything is made."""
        if options["coder"] == CoderKind.EMBEDDED:
            run = embedded_run(study)
        else:
            model = options["model"] or MODEL
            digest = write(guide(current_revision(study))).digest
            run = study.runs.filter(
                coder=CoderKind.CLAUDE, model=model, prompt_digest=digest, replicate=0
            ).first()
        return still_to_repeat(study, run, options["replicates"], options["share"], options["seed"])

    def bring_on(self, run: Run, coder: Coder, options: dict[str, Any]) -> None:
        """Have `coder` do what is left of `run`, or tell the workers to."""
        if options["queue"]:
            wake(run)
        elif isinstance(coder, ClaudeCoder) and options["batch"]:
            self.batches(run, coder, progress(run), cancel=options["cancel"])
        else:
            self.go(run, coder, options["threads"], progress(run))

    def batches(
        self, run: Run, coder: ClaudeCoder, before: dict[str, Any], *, cancel: bool
    ) -> None:
        """Send batches and wait for them with a bar on stderr; who leaves leaves them running."""
        total, ended = before["segments"]["total"], before["segments"]["ended"]
        try:
            with progress_bar(gettext("Coding"), total) as bar:
                bar.at(ended, total)
                batch_loop(run, coder, advance=bar.advance, listen=True, cancel=cancel)
        except KeyboardInterrupt as left:
            waiting = progress(run)["batches"]["requests"]
            if not waiting:
                raise
            raise CommandError(
                ngettext(
                    "Left. %(count)s segment is with the service and goes on there; the same "
                    "command fetches the answer.",
                    "Left. %(count)s segments are with the service and go on there; the same "
                    "command fetches the answers.",
                    waiting,
                )
                % {"count": waiting},
                returncode=130,
            ) from left

    def go(self, run: Any, coder: Any, threads: int, before: dict[str, Any]) -> None:
        """Work with a bar on stderr."""
        total, ended = before["segments"]["total"], before["segments"]["ended"]
        with progress_bar(gettext("Coding"), total) as bar:
            bar.at(ended, total)
            work_loop(run, coder, threads=threads, advance=bar.advance, listen=True)

    def show(self, result: dict[str, Any], console: Console) -> None:
        if "segments" not in result:
            made = result["estimate"]
            for sentence in estimate_sentences(made, batch=made["batch"]):
                console.print(sentence, markup=False, highlight=False)
            if made["coder"] == CoderKind.EMBEDDED:
                console.print(
                    gettext("With --coder claude it says what Claude would cost."),
                    markup=False,
                    highlight=False,
                )
            return
        console.print(facts(result))
        for again in result["replicates"]:
            console.print(
                ngettext(
                    "%(name)s: %(ended)d of %(total)d segment coded again.",
                    "%(name)s: %(ended)d of %(total)d segments coded again.",
                    again["segments"]["total"],
                )
                % {"name": again["name"], **again["segments"]},
                markup=False,
                highlight=False,
            )
        if waiting := sum(each["batches"]["requests"] for each in (result, *result["replicates"])):
            console.print(
                ngettext(
                    "%(count)s segment is with the service: --batch fetches the answer.",
                    "%(count)s segments are with the service: --batch fetches the answers.",
                    waiting,
                )
                % {"count": waiting},
                markup=False,
            )
        if result["stopped"]:
            console.print(
                gettext("The run stopped: %(why)s The same command goes on where it was.")
                % {"why": reason(result["stopped"])},
                markup=False,
            )


def check(options: dict[str, Any]) -> None:
    """Refuse what does not go together, before anything is begun."""
    if not 0 <= options["threads"] <= 256:
        raise Problem(mark("The threads are a number from 1 to 256."))
    if options["batch"] and options["coder"] != CoderKind.CLAUDE:
        raise Problem(mark("Only Claude codes in batches: add --coder claude."))
    if options["coder"] == CoderKind.EMBEDDED:
        for name in ("model", "service", "base_url"):
            if options[name]:
                raise Problem(
                    mark(
                        "%(option)s is about Claude, and the offline coder would ignore it: add "
                        "--coder claude, or leave it out."
                    ),
                    option=f"--{name.replace('_', '-')}",
                )
    if options["cancel"] and not options["batch"]:
        raise Problem(mark("--cancel stops batches: give it with --batch."))
    if options["batch"] and options["queue"]:
        raise Problem(mark("Batches need no workers: leave out --queue."))
    what_again = options["share"] is not None or options["seed"] is not None
    if options["replicates"] is None and what_again:
        raise Problem(mark("--share and --seed say what to code again: add --replicates K."))
    if options["batch"]:
        needs_batches(chosen(options["service"]))


def facts(result: dict[str, Any]) -> Table:
    """Return how the run stands as a table."""
    table = Table(show_header=False)
    segments = result["segments"]
    table.add_row(gettext("run"), result["name"])
    for state in State:
        if segments[state.value]:
            table.add_row(str(state.label), str(segments[state.value]))
    for kind in ("refused", "failed"):
        for why, languages in result[kind].items():
            where = ", ".join(f"{language} {n}" for language, n in languages.items())
            table.add_row("", f"{reason(why)}: {where}")
    evidence = result["evidence"]
    table.add_row(
        gettext("evidence"),
        ", ".join(f"{how} {n}" for how, n in evidence.items() if how != "by_language" and n),
    )
    if unsupported := result["doubts"]["marks"]["unsupported"]:
        table.add_row(gettext("marks without support"), str(unsupported))
    if spoken := result["doubts"]["addressed"]["segments"]:
        table.add_row(gettext("may speak to the machine"), str(spoken))
    if result["requests"]:
        table.add_row(gettext("requests"), str(result["requests"]))
        table.add_row(gettext("cost"), f"{money(result['cost'])} USD")
        took = result["costs"]
        table.add_row(gettext("for 1,000 interviews"), f"{money(took['usd_per_1000'])} USD")
        table.add_row(gettext("input read from the cache"), share(took["hit_rate"]))
    if lost := result["maybe_billed"]["requests"]:
        most = result["maybe_billed"]["at_most"]
        table.add_row(gettext("maybe billed"), f"{lost} ({money(most)} USD)")
    return table


def open_work(run: Run) -> list[int]:
    """Return the segments of `run` that have not ended, by their keys."""
    left = run.work.filter(state__in=OPEN).order_by("segment_id")
    return list(left.values_list("segment_id", flat=True))
