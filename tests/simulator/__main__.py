"""`python -m tests.simulator`: the simulated service, to try Concord by hand.

In another terminal: ANTHROPIC_BASE_URL=http://127.0.0.1:8099 ANTHROPIC_API_KEY=test-key
python manage.py code STUDY --coder claude
"""

import argparse
from contextlib import suppress

from tests.simulator.server import serve

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--max-seconds", type=float, default=3_600.0)
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        serve(given.port, given.max_seconds)
