"""The project keeps its own promises."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    "catalogue", sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po")), ids=lambda p: p.parts[-3]
)
def test_every_message_is_translated_with_its_gaps(catalogue: Path) -> None:
    entries = [entry for entry in polib.pofile(str(catalogue)) if not entry.obsolete]
    assert entries
    assert not [entry.msgid for entry in entries if not entry.translated()]
    gap = re.compile(r"%\((\w+)\)[sd]")
    for entry in entries:
        said = [entry.msgstr, *entry.msgstr_plural.values()]
        # A plural form for one or two may leave the number out; no form may invent a gap.
        known = set(gap.findall(entry.msgid)) | set(gap.findall(entry.msgid_plural))
        assert set(gap.findall(" ".join(said))) == known, entry.msgid


@pytest.mark.skipif(not shutil.which("xgettext"), reason="gettext is not installed")
def test_the_catalogues_hold_every_message_of_the_code(tmp_path: Path) -> None:
    for name in ("config", "studies", "codebooks", "coding", "reviews", "locale"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "manage.py", tmp_path)
    command = [sys.executable, "manage.py", "makemessages", "--all", "--no-wrap", "--no-location"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run(  # noqa: S603
        command, cwd=tmp_path, check=True, capture_output=True, env=environment
    )
    for collected in (tmp_path / "locale").glob("*/LC_MESSAGES/*.po"):
        ours = polib.pofile(str(ROOT / collected.relative_to(tmp_path)))
        found = {e.msgid for e in polib.pofile(str(collected)) if not e.obsolete}
        assert found == {e.msgid for e in ours if not e.obsolete}


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split("\n")
    unwanted = re.compile(r"(index-url|find-links|files\.pythonhosted|/root/|/home/\w+/)")
    for name in tracked:
        path = ROOT / name
        if name and path.suffix in {".py", ".lock", ".toml", ".md", ".yaml", ".html", ""}:
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            if path.name not in {"test_project.py", "Makefile"}:
                assert not unwanted.search(text), name
