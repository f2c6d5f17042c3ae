from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext, ngettext
from rich.console import Console
from rich.table import Table

from config.commands import Command as BaseCommand
from reviews.models import Sample
from reviews.reviewing import progress
from reviews.sampling import draw_sample
from studies.models import Membership
from studies.people import study_named
from studies.problems import _


class Command(BaseCommand):
    help = _("Draw a probability sample for people to code blind.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("--size", type=int, required=True, help=gettext("how many segments"))
        parser.add_argument(
            "--strata",
            default="",
            metavar="A,B",
            help=gettext("language, label, confidence, or attributes of the participants"),
        )
        parser.add_argument(
            "--coders",
            default="",
            metavar="A,B",
            help=gettext("who codes; without names the sample waits for whoever comes"),
        )
        parser.add_argument(
            "--overlap",
            type=float,
            default=0.0,
            metavar="SHARE",
            help=gettext("the share that two people code, from 0 to 1"),
        )
        parser.add_argument("--seed", type=int, help=gettext("made up if not given"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        sample = draw_sample(
            study,
            size=options["size"],
            strata=options["strata"].split(","),
            coders=options["coders"].split(","),
            overlap=options["overlap"],
            seed=options["seed"],
        )
        stand = progress(sample)
        return {
            "study": study.slug,
            "sample": sample.pk,
            "run": sample.run.name if sample.run else None,
            "seed": sample.seed,
            "frame_digest": sample.frame_digest,
            "items": stand.items,
            "codings_wanted": stand.wanted,
            "answered": stand.answered,
            "coders": {name: asked for name, (_done, asked) in stand.by_coder.items()},
            "without_sign_in": without_sign_in(sample),
            "strata": sample.design["strata"],
            "sizes": sample.design["sizes"],
        }

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
            share = size["drawn"] / size["population"]
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


def without_sign_in(sample: Sample) -> list[str]:
    """Return who is asked and has no password: a new coder, or a name that was mistyped."""
    asked = Membership.objects.filter(
        study=sample.study_id, person__assignments__item__sample=sample
    )
    members = asked.select_related("person").distinct().order_by("name")
    return [member.name for member in members if not member.person.has_usable_password()]
