from typing import Any

from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from config.commands import Command as BaseCommand
from studies.models import Role
from studies.people import add_person, study_named
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Give a person a part in a study.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", metavar="STUDY")
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--role", default=Role.CODER.value, help=", ".join(Role.values))

    def work(self, **options: Any) -> dict[str, Any]:
        study = study_named(options["study"])
        person, password = add_person(study, options["name"], options["role"])
        return {
            "study": study.slug,
            "name": options["name"],
            "username": person.get_username(),
            "role": options["role"],
            "password": password,
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        sentence = gettext("%(name)s is now %(role)s in %(study)s and signs in as %(username)s.")
        console.print(sentence % result, highlight=False, markup=False)
        if result["password"]:
            console.print(
                gettext("Password, shown only now: %(password)s") % result,
                highlight=False,
                markup=False,
            )
