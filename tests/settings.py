"""The project's settings, made quick and independent of the place."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("CONCORD_SECRET_KEY", "tests-only")

from config.settings import *  # noqa: F403
from config.settings import BASE_DIR, database

DATABASES = {
    "default": database(
        os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{BASE_DIR / 'unused.sqlite3'}"
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not :memory:, because threads and the live server open it together.
    DATABASES["default"]["TEST"] = {
        "NAME": str(
            Path(tempfile.gettempdir()) / f"concord-test-{os.getuid()}-{os.getppid()}.sqlite3"
        )
    }
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
WHITENOISE_AUTOREFRESH = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
