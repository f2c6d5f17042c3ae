"""Show the main job on the sample study, then serve it."""

import argparse
import os
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils.translation import gettext as _
from rich.console import Console

from config.commands import Command as Base
from studies.models import Role, Study
from studies.people import add_person
from studies.problems import Problem
from studies.problems import _ as mark

FOLDER = Path(__file__).resolve().parent.parent.parent / "sample_study"
SLUG = "sample"
LEAD, CODER = "demo", "mara"
DRAW = ["draw_sample", SLUG, "--strata", "language", "--coders", "mara,tomas", "--overlap", "0.75"]
SAMPLE_SIZE = 48
SEED = 7


class Command(Base):
    help = "Show the main job on the fictional sample study, then serve it on 127.0.0.1."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--serve", type=int, default=1, help=_("0 stops after the report"))
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--coder", default="embedded", choices=["embedded", "claude"])

    def work(self, **options: Any) -> dict[str, Any]:
        serve, port = bool(options["serve"]), options["port"]
        if serve and taken(port):
            raise Problem(
                mark(
                    "Port %(port)d is taken by another program: stop it, or choose another "
                    "with `make demo PORT=8001`."
                ),
                port=port,
            )
        call_command("migrate", verbosity=0)
        password = people()
        folder = settings.DATA_DIR / "demo-report"
        steps(options["coder"], folder)
        result = {
            "study": SLUG,
            "report": str(folder / "report.html"),
            "url": f"http://127.0.0.1:{port}/studies/{SLUG}/prevalence/" if serve else None,
            "lead": LEAD,
            "coder": CODER,
            "password": password,
        }
        if serve:
            self.tell(result, Console(stderr=options["json"], highlight=False))
            open_site(port, str(result["url"]))
        return result

    def show(self, result: dict[str, Any], console: Console) -> None:
        if result["url"] is None:
            self.tell(result, console)

    def tell(self, result: dict[str, Any], console: Console) -> None:
        """Say where the report is, and how to sign in."""
        console.print()
        lines = [_("The report as a file: %(report)s")]
        if result["url"]:
            lines.append(_("The report on the site: %(url)s (Ctrl-C ends it)"))
        else:
            lines.append(_("To see it on the site: make demo"))
        lines.append(
            _(
                "Sign in as “%(lead)s” to see everything, or as “%(coder)s” to code blind; "
                "the password of both is %(password)s"
            )
        )
        for line in lines:
            console.print(line % result, soft_wrap=True, markup=False, style="bold")


def taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def people() -> str:
    """Make the study with its lead and coders, and give both sign-ins a new random password."""
    study, _made = Study.objects.get_or_create(
        slug=SLUG, defaults={"name": "AI at work", "fictional": True}
    )
    for name, role in ((LEAD, Role.LEAD), (CODER, Role.CODER), ("tomas", Role.CODER)):
        add_person(study, name, role)
    password = secrets.token_urlsafe(9)
    # Nobody who has a part elsewhere on this site gets another password by a demonstration.
    ours = User.objects.filter(username__in=[LEAD, CODER], is_staff=False, is_superuser=False)
    for person in ours.exclude(memberships__study__in=Study.objects.exclude(pk=study.pk)):
        person.set_password(password)
        person.save(update_fields=["password"])
    return password


def steps(coder: str, folder: Path) -> None:
    """Go through the main job with the commands that any study uses, saying each."""
    told = Console(stderr=True, highlight=False)
    transcripts, codebook, codings = (
        str(FOLDER / name) for name in ("transcripts.jsonl", "codebook.yaml", "codings.csv")
    )

    def step(question: str, *command: str) -> None:
        told.print(f"\n{question}: manage.py {' '.join(command)}", style="bold", soft_wrap=True)
        call_command(*command)

    step(_("The interviews"), "import_transcripts", SLUG, transcripts)
    step(_("What to look for"), "import_codebook", SLUG, codebook)
    if coder == "claude":
        step(_("The machine codes"), "code", SLUG, "--coder", "claude", "--yes")
    else:
        if os.environ.get("ANTHROPIC_API_KEY"):
            step(_("What Claude would cost"), "code", SLUG, "--coder", "claude", "--estimate")
            told.print(_("Claude was not asked. To use it: make demo CODER=claude"))
        step(_("The machine codes"), "code", SLUG)
    step(_("A sample for people"), *DRAW, "--size", str(SAMPLE_SIZE), "--seed", str(SEED))
    step(_("What people said"), "import_codings", SLUG, codings)
    step(_("The report"), "report", SLUG, "--by", "language", "--out", str(folder))


def open_site(port: int, url: str) -> None:
    """Serve the site on the loopback interface until Ctrl-C; show it where there is a screen."""
    import waitress

    from config.wsgi import application

    if sys.stdout.isatty():
        webbrowser.open(url)
    waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8, ident="Concord")
