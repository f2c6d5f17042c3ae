"""A fresh database, and the simulated service in a process of its own, for a benchmark."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def simulated_service(seconds: int) -> Iterator[None]:
    """Point the settings at both while the block runs; the service ends after `seconds` anyway."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = os.environ.get(
            "BENCH_DATABASE_URL", f"sqlite:///{folder}/bench.sqlite3"
        )
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
        simulator = subprocess.Popen(  # noqa: S603  this Python, with words of ours
            [sys.executable, "-m", "tests.simulator", "--port", "0", "--max-seconds", str(seconds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert simulator.stdout
            os.environ["ANTHROPIC_BASE_URL"] = simulator.stdout.readline().strip()
            os.environ["ANTHROPIC_API_KEY"] = "test-key"
            yield
        finally:
            simulator.terminate()
            simulator.wait()
