"""Run every check in the order in which a slip is cheapest to mend. `python -m tests`."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def run(name: str, *command: str, **environment: str) -> None:
    began = time.monotonic()
    print(f"── {name}", flush=True)  # noqa: T201
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment})  # noqa: S603
    print(f"   {name}: {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    if done.returncode:
        sys.exit(done.returncode)


def postgres_answers() -> bool:
    import psycopg

    try:
        with psycopg.connect(POSTGRES, connect_timeout=3) as connection:
            connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


def pytest(name: str, *more: str, **environment: str) -> None:
    # One order for everybody's check; a bare `pytest` shuffles anew, to find what leans on order.
    shuffled = ("-p", "randomly", "--randomly-seed", "80508")
    environment.setdefault("HYPOTHESIS_PROFILE", "check")
    run(
        name,
        str(BIN / "python"),
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
        *shuffled,
        *more,
        **environment,
    )


def main() -> None:
    run("ruff check", str(BIN / "ruff"), "check", "--quiet", ".")
    run("ruff format", str(BIN / "ruff"), "format", "--quiet", "--check", ".")
    run("import-linter", str(BIN / "lint-imports"))
    run("mypy", str(BIN / "mypy"), ".")
    # What asks a real model is for whoever has one: `pytest -m local_llm`, `pytest -m live_claude`.
    pytest("tests on SQLite", "-m", "not local_llm and not live_claude")
    if postgres_answers():
        pytest(
            "tests on PostgreSQL",
            "--database-only",
            "-m",
            "not slow and not browser and not local_llm and not live_claude",
            TEST_DATABASE_URL=POSTGRES,
        )
    else:
        print("── PostgreSQL does not answer on 127.0.0.1:5432: its tests were left out")  # noqa: T201


if __name__ == "__main__":
    main()
