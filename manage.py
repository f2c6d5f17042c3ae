#!/usr/bin/env python3
"""Run one of Concord's commands."""

import io
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    for stream in (sys.stdout, sys.stderr):
        # A pipe's own encoding may know Latin letters only; what is said here is in any script.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(
            "Concord's packages are not installed for this Python: run `make setup`, "
            "then `.venv/bin/python manage.py`."
        )
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
