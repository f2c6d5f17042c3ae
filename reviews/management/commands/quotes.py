"""Print the most telling quotations of each code, and say who may be quoted."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext as _
from rich.console import Console
from rich.text import Text

from config.commands import Command as BaseCommand
from config.commands import listed
from reviews.quotes import (
    EACH,
    Quote,
    allow,
    may_be_quoted,
    quotes,
    read_translations,
    write_quotes,
)
from studies.people import study_named
from studies.problems import Problem
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Choose the most telling quotations of each code, from those who agreed.")
    found: list[Quote]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("--code", default="", metavar="DIMENSION/CODE", help=_("one code only"))
        parser.add_argument("--each", type=int, default=EACH, help=_("how many for each code"))
        parser.add_argument(
            "--spread",
            type=listed,
            default=[],
            metavar="NAMES",
            help=_("attributes to spread them over"),
        )
        parser.add_argument(
            "--allow",
            metavar="ATTRIBUTE=VALUE,…",
            help=_("which value of which attribute says that a participant agreed; = for nobody"),
        )
        parser.add_argument(
            "--translations", type=Path, metavar="FILE", help=_("read translations from there")
        )
        parser.add_argument("--out", type=Path, metavar="FILE", help=_("write them there as csv"))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        if options["allow"] is not None:
            attribute, equals, values = options["allow"].partition("=")
            if not equals:
                raise Problem(mark("Say who agreed as ATTRIBUTE=VALUE, or = for nobody."))
            allow(study, attribute.strip(), [one.strip() for one in values.split(",")])
        if path := options["translations"]:
            if not path.is_file():
                raise Problem(mark("There is no file “%(path)s”."), path=str(path))
            with open(path, encoding="utf-8-sig", newline="") as file:
                read_translations(study, file)
        if options["each"] < 1:
            raise Problem(mark("At least one quotation for each code."))
        dimension, _slash, code = options["code"].partition("/")
        self.found = list(
            quotes(
                study,
                dimension=dimension,
                code=code,
                each=options["each"],
                spread=options["spread"],
            )
        )
        result: dict[str, Any] = {
            "may_be_quoted": may_be_quoted(study).count(),
            "quotes": [
                {
                    "dimension": one.dimension,
                    "code": one.code,
                    "participant": one.participant,
                    "transcript": one.transcript,
                    "language": one.language,
                    "quote": one.text,
                    "translation": one.translation,
                    "start": one.start,
                    "end": one.end,
                    "said_by": "people" if one.by_people else "machine",
                    "people_yes": one.yes,
                    "people_no": one.no,
                }
                for one in self.found
            ],
        }
        if path := options["out"]:
            beside = path.with_name(f".{path.name}.part")
            with open(beside, "w", encoding="utf-8", newline="") as file:
                write_quotes(self.found, file)
            os.replace(beside, path)
            result["file"] = str(path)
        return result

    def show(self, result: dict[str, Any], console: Console) -> None:
        if not result["may_be_quoted"]:
            console.print(
                Text(_("Nobody may be quoted yet: say who agreed with --allow ATTRIBUTE=VALUE."))
            )
        code = ("", "")
        for one in self.found:
            if code != (one.dimension, one.code):
                code = (one.dimension, one.code)
                console.print()
                console.print(Text(f"{one.dimension}/{one.code}", style="bold"))
            console.print(Text(f"  “{one.text}”"))
            if one.translation:
                console.print(Text(f"  [{_('translation')}: {one.translation}]", style="dim"))
            console.print(Text(f"  — {one.participant} ({one.language})", style="dim"))
        if "file" in result:
            console.print(Text(_("Written: %(path)s") % {"path": result["file"]}), soft_wrap=True)
