from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandParser
from django.utils.translation import gettext
from rich.console import Console

from config.commands import Command as BaseCommand
from studies.people import reset_path
from studies.problems import Problem, _
from studies.problems import _ as mark


class Command(BaseCommand):
    help = mark("Make a link with which somebody chooses a new password, once and for three days.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help=gettext("the name they sign in with"))
        parser.add_argument(
            "--site",
            default="http://127.0.0.1:8000",
            metavar="URL",
            help=gettext("the address of the site, as that person opens it"),
        )

    def work(self, **options: Any) -> dict[str, Any]:
        person = User.objects.filter(username=options["user"], is_active=True).first()
        if person is None:
            raise Problem(_("Nobody signs in as “%(name)s”."), name=options["user"])
        return {
            "username": person.get_username(),
            "link": options["site"].rstrip("/") + reset_path(person),
        }

    def show(self, result: dict[str, Any], console: Console) -> None:
        console.print(result["link"], highlight=False, markup=False, soft_wrap=True)
