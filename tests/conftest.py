"""Fixtures that more than one folder needs."""

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import cache
from django.utils import translation
from hypothesis import settings as hypothesis_settings

from tests.simulator.server import Running

# A busy machine is no failure: what a test says is never how fast it was.
hypothesis_settings.register_profile("patient", deadline=None)
# One set of examples for everybody's check; a bare `pytest` explores anew.
hypothesis_settings.register_profile("check", deadline=None, derandomize=True)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database-only",
        action="store_true",
        help="leave out the tests that touch no database, which another one would not change",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database-only"):
        config.hook.pytest_deselected(items=[one for one in items if not touches_database(one)])
        items[:] = [one for one in items if touches_database(one)]


def touches_database(item: pytest.Item) -> bool:
    """Return whether `item` asks for a database, or its module for processes on one of their own
    (`tests/coding/places.py`)."""
    asked = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
    elsewhere = hasattr(getattr(item, "module", None), "Place")
    return bool(asked or elsewhere or item.get_closest_marker("django_db"))


@pytest.fixture(autouse=True)
def interface_language() -> Iterator[None]:
    """A request leaves its language active in the thread; no test begins with another's."""
    translation.activate(settings.LANGUAGE_CODE)
    yield
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture(autouse=True, scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests send to the site lies where nobody works."""
    settings.DATA_DIR = tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Another test's rows had the same numbers."""
    cache.clear()


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The simulated service, on the loopback interface, fresh for every test."""
    with Running() as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
        yield running
