"""Settings: one file for every place; what differs comes from the environment.

DATABASE_URL, CONCORD_SECRET_KEY, CONCORD_HOSTS, CONCORD_ORIGINS, CONCORD_TLS, CONCORD_DEBUG,
CONCORD_BROKER, CONCORD_QUEUE, CONCORD_SWEEP, CONCORD_DATA, CONCORD_EMAIL, CONCORD_EMAIL_FROM,
CONCORD_UPLOAD_MB.
"""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("CONCORD_DATA", BASE_DIR / "var"))


def secret_key() -> str:
    """Return the site's key: the environment's, else one made up once and kept beside the data."""
    if given := os.environ.get("CONCORD_SECRET_KEY"):
        return given
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    path = DATA_DIR / "secret_key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


def database(url: str) -> dict[str, Any]:
    """Return Django's setting for `url`; SQLite gets what many writers at once need."""
    if not url.startswith(("sqlite://", "postgres://", "postgresql://")):
        raise SystemExit(
            f"DATABASE_URL is “{url.split('@')[-1]}”: it begins with sqlite:/// and a path, or "
            "with postgres:// and an address."
        )
    setting: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60))
    if setting["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: a transaction that will write says so at its start, so it waits its turn
        # instead of failing in the middle with "database is locked".
        setting["OPTIONS"] = {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return setting


def mail(url: str) -> dict[str, Any]:
    """Return Django's settings for the server at `url`: smtps://name:password@host:465, or
    smtp://… for one that begins to encrypt when asked (port 587), as most do.
    """
    given = urlsplit(url)
    if given.scheme not in ("smtp", "smtps") or not given.hostname:
        raise SystemExit("CONCORD_EMAIL begins with smtp:// or smtps:// and names a host.")
    implicit = given.scheme == "smtps"
    return {
        "EMAIL_HOST": given.hostname,
        "EMAIL_PORT": given.port or (465 if implicit else 587),
        "EMAIL_HOST_USER": unquote(given.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(given.password or ""),
        "EMAIL_USE_SSL": implicit,
        "EMAIL_USE_TLS": not implicit and given.hostname not in ("localhost", "127.0.0.1"),
        "EMAIL_TIMEOUT": 20,
    }


SECRET_KEY = secret_key()
DEBUG = os.environ.get("CONCORD_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("CONCORD_HOSTS", "127.0.0.1,localhost,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [
    origin for origin in os.environ.get("CONCORD_ORIGINS", "").split(",") if origin
]
DATABASES = {
    "default": database(
        os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'concord.sqlite3'}"
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "reviews",
    "coding",
    "codebooks",
    "studies",
    "config",
    "axes",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "config.middleware.remember_who_is_at_work",
    "config.middleware.keep_signed_in_while_used",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "config.passwords.LongEnough"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "studies"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
# A week without a visit signs out; every day on which the site is used begins it anew.
SESSION_COOKIE_AGE = 7 * 24 * 3600
PASSWORD_RESET_TIMEOUT = 3 * 24 * 3600
# Behind a proxy that ends TLS the cookies travel over TLS alone.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("CONCORD_TLS") == "1"
if os.environ.get("CONCORD_TLS") == "1":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        # Pictures are drawn as SVG in the page and carry style attributes.
        "style-src": [SELF, "'unsafe-inline'"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Without a mail server nothing promises an e-mail; a lead or a command makes links instead.
CONCORD_EMAIL = os.environ.get("CONCORD_EMAIL", "")
if CONCORD_EMAIL:
    globals().update(mail(CONCORD_EMAIL))
DEFAULT_FROM_EMAIL = os.environ.get("CONCORD_EMAIL_FROM", "concord@localhost")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ar", _("Arabic"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_000_000
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000
DATA_UPLOAD_MAX_NUMBER_FILES = 200  # each is an open file until all have come
# What a page takes at once, in MB; a command takes more.
CONCORD_UPLOAD_MB = int(os.environ.get("CONCORD_UPLOAD_MB", 50))

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "config.api.refused",
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PARSER_CLASSES": [
        "config.json.JsonIn",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["config.json.JsonOut"],
}
SPECTACULAR_SETTINGS = {"TITLE": "Concord", "VERSION": "0.1.0", "SERVE_INCLUDE_SCHEMA": False}

# Without a broker nothing is queued: `manage.py code` runs the same loop in its own process.
CELERY_BROKER_URL = os.environ.get("CONCORD_BROKER", "")
CELERY_TASK_DEFAULT_QUEUE = os.environ.get("CONCORD_QUEUE", "concord")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ALWAYS_EAGER = not CELERY_BROKER_URL
# A message is done with when the work is; until then it waits for whoever is free.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = (
    # A shift with the answers that are on its way ends well within half an hour. Unless it looks
    # every time, Redis brings back what a dead worker had only minutes after that.
    {"visibility_timeout": 1_800, "unacked_restore_throttle": 1}
    if CELERY_BROKER_URL.startswith(("redis", "sentinel"))
    else {"confirm_publish": True}
    if CELERY_BROKER_URL.startswith(("amqp", "pyamqp"))
    else {}
)
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CONCORD_SWEEP = float(os.environ.get("CONCORD_SWEEP", 30))  # seconds between two looks

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
