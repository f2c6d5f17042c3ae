from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from config.commands import Command as BaseCommand
from studies.languages import normalise
from studies.people import study_named
from studies.problems import Problem, _
from studies.problems import _ as mark
from studies.transcripts import correct_language


class Command(BaseCommand):
    help = mark(
        "Correct the language of interviews, by id, or of all that have another or an unsure one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("language", metavar="LANGUAGE", help=gettext("such as pt or zh-Hant"))
        parser.add_argument("ids", metavar="ID", nargs="*")
        parser.add_argument(
            "--from", dest="wrong", default="", metavar="LANG", help=gettext("those in this one")
        )
        parser.add_argument("--unsure", action="store_true", help=gettext("those that are unsure"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        if not (options["ids"] or options["wrong"] or options["unsure"]):
            raise Problem(_("Say which interviews: name their ids, or give --from or --unsure."))
        chosen = study.transcripts.all()
        if options["ids"]:
            chosen = chosen.filter(external_id__in=options["ids"])
            there = set(chosen.values_list("external_id", flat=True))
            if strangers := [name for name in options["ids"] if name not in there]:
                raise Problem(
                    _("There is no interview “%(id)s” in “%(study)s”."),
                    id=strangers[0],
                    study=study.slug,
                )
        if options["wrong"]:
            chosen = chosen.filter(language=normalise(options["wrong"]) or options["wrong"])
        if options["unsure"]:
            chosen = chosen.unsure()
        return {
            "study": study.slug,
            "language": normalise(options["language"]),
            "corrected": correct_language(chosen, options["language"]),
            "unsure": study.transcripts.unsure().count(),
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(
            gettext("Corrected: %(corrected)s. Still unsure in %(study)s: %(unsure)s.") % result,
            highlight=False,
            markup=False,
        )
