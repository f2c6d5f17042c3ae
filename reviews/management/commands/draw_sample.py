from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console
from rich.table import Table

from config.commands import Command as BaseCommand
from config.commands import listed, show_newcomers
from reviews.drawing import draw
from reviews.models import Purpose, Sample
from reviews.reviewing import progress
from reviews.sampling import vacant
from reviews.training import BAR, WINDOW, draw_training
from studies.models import Membership, Study
from studies.people import names_in, newcomers, study_named
from studies.problems import Problem, _


class Command(BaseCommand):
    help = _("Draw a probability sample for people to code blind, a further round, or a training.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("--size", type=int, default=0, help=gettext("how many segments"))
        parser.add_argument(
            "--strata",
            type=listed,
            default=[],
            metavar="A,B",
            help=gettext("language, label, confidence, or attributes of the participants"),
        )
        parser.add_argument(
            "--coders",
            type=listed,
            default=[],
            metavar="A,B",
            help=gettext("who codes; without names the sample waits for whoever comes"),
        )
        parser.add_argument(
            "--overlap",
            type=float,
            metavar="SHARE",
            help=gettext("the share that two people code (or --per-item), from 0 to 1"),
        )
        parser.add_argument(
            "--per-item",
            type=int,
            metavar="K",
            help=gettext("how many people code each item"),
        )
        parser.add_argument(
            "--assisted",
            type=float,
            metavar="SHARE",
            help=gettext(
                "the share whose coders, after their blind answer, see the machine’s and look again"
            ),
        )
        parser.add_argument(
            "--purpose",
            choices=Purpose.values,
            default=Purpose.REVIEW.value,
            help=gettext("review, or training with feedback, which enters no estimate"),
        )
        parser.add_argument(
            "--continue",
            action="store_true",
            dest="continues",
            help=gettext("add a round to the latest sample; its items keep their probabilities"),
        )
        parser.add_argument(
            "--more",
            action="append",
            default=[],
            metavar="STRATUM=K",
            help=gettext("with --continue: so many more from this stratum; may be repeated"),
        )
        parser.add_argument(
            "--bridge",
            action="store_true",
            help=gettext(
                "the latest sample of an earlier revision again, or --size of it, to be coded "
                "under the newest: what did the codebook change?"
            ),
        )
        parser.add_argument(
            "--interviews",
            type=listed,
            default=[],
            metavar="ID,ID",
            help=gettext("with --purpose training: these interviews, rather than random ones"),
        )
        parser.add_argument(
            "--bar",
            type=float,
            default=BAR,
            metavar="SHARE",
            help=gettext("with --purpose training: the share of decisions to make as the key"),
        )
        parser.add_argument(
            "--window",
            type=int,
            default=WINDOW,
            metavar="N",
            help=gettext("with --purpose training: over the last so many interviews"),
        )
        parser.add_argument("--seed", type=int, help=gettext("made up if not given"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        known = names_in(study)
        sample = self.drawn(study, options)
        stand = progress(sample)
        return {
            "study": study.slug,
            "sample": sample.pk,
            "purpose": sample.purpose,
            "continues": sample.continues_id,
            "bridge_of": sample.design.get("bridge_of"),
            "round": sample.design.get("round", 1),
            "run": sample.run.name if sample.run else None,
            "seed": sample.seed,
            "frame_digest": sample.frame_digest,
            "items": stand.items,
            "codings_wanted": stand.wanted,
            "answered": stand.answered,
            "assisted": sample.items.filter(assisted=True).count(),
            "coders": {name: asked for name, (_done, asked) in stand.by_coder.items()},
            "new_coders": [asdict(one) for one in newcomers(known, sample.design["coders"])],
            "without_sign_in": without_sign_in(sample),
            "vacant": [
                {
                    "language": gap.language,
                    "seats": gap.seats,
                    "items": gap.items,
                    "interviews": list(gap.interviews),
                    "sentence": gap.sentence.sentence(gettext),
                }
                for gap in vacant(sample)
            ],
            "strata": sample.design["strata"],
            "sizes": sample.design["sizes"],
        }

    def drawn(self, study: Study, options: dict[str, Any]) -> Sample:
        def given(*names: str) -> dict[str, Any]:
            return {name: options[name] for name in names}

        asked = given("size", "coders", "seed")
        if options["purpose"] == Purpose.TRAINING:
            return draw_training(study, **asked, **given("interviews", "bar", "window"))
        more = dict(stratum_and_number(one) for one in options["more"]) or None
        who = given("overlap", "per_item", "assisted")
        return draw(study, more=more, **asked, **who, **given("strata", "continues", "bridge"))

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            ngettext(
                "%(items)d segment is drawn with seed %(seed)d.",
                "%(items)d segments are drawn with seed %(seed)d.",
                result["items"],
            )
            % result,
            highlight=False,
        )
        table = Table(gettext("stratum"), box=None)
        for heading in (gettext("segments"), gettext("drawn"), gettext("inclusion")):
            table.add_column(heading, justify="right")
        for size in result["sizes"]:
            share = size["drawn"] / max(size.get("left", size["population"]), 1)
            table.add_row(
                size["key"] or "–", str(size["population"]), str(size["drawn"]), f"{share:.3f}"
            )
        console.print(table)
        for name, asked in result["coders"].items():
            console.print(
                ngettext(
                    "%(name)s is asked about %(count)d segment.",
                    "%(name)s is asked about %(count)d segments.",
                    asked,
                )
                % {"name": name, "count": asked},
                highlight=False,
                markup=False,
            )
        show_newcomers(console, result["new_coders"])
        for gap in result["vacant"]:
            console.print(gap["sentence"], highlight=False, markup=False, soft_wrap=True)
        for name in result["without_sign_in"]:
            console.print(
                gettext(
                    "%(name)s can’t sign in yet: `manage.py add_person %(study)s %(name)s --role "
                    "coder` gives a password."
                )
                % {"name": name, "study": result["study"]},
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def stratum_and_number(text: str) -> tuple[str, int]:
    """Return the stratum and the number in `ar / rare=20`."""
    key, sign, number = text.rpartition("=")
    if not sign or not number.strip().isdecimal():
        raise Problem(
            _("“%(given)s” is no stratum and number, such as “ar / rare=20”."), given=text
        )
    return key.strip(), int(number)


def without_sign_in(sample: Sample) -> list[str]:
    """Return who is asked and has no password: a new coder, or a name that was mistyped."""
    asked = Membership.objects.filter(
        study=sample.study_id, person__assignments__item__sample=sample
    )
    members = asked.select_related("person").distinct().order_by("name")
    return [member.name for member in members if not member.person.has_usable_password()]
