"""Every benchmark, each in a process of its own so that memory is its own too. `make bench`."""

import subprocess
import sys
from pathlib import Path

NAMES = (
    "imports",
    "evidence",
    "coding",
    "batches",
    "agreement",
    "report",
    "review",
    "lists",
    "exports",
    "screen",
    "coverage",
)


def main() -> None:
    for name in NAMES:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, cwd=Path(__file__).resolve().parent.parent)  # noqa: S603
        if done.returncode:
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
