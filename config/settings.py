"""All settings, read from the environment. A wrong one stops the start with a sentence that says what to set."""

import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from config import embedded, keys
from config.environment import (
    check_webhook,
    env,
    factor,
    folder,
    host_and_port,
    hosts_and_ports,
    names,
    parsed,
    switch,
    text,
    web_address,
    whole_number,
    wrong,
)

# Lets `forms.ModelForm[Subscriber]` be written at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# -- What runs here ----------------------------------------------------------------------------------------------------

DEBUG = switch("DEBUG", default=False)
# One of the kinds of config/processes.py, or "command". Decides how long a statement may take.
PROCESS_KIND = text("PROCESS_KIND", "command")
VAR_DIR = folder("VAR_DIR", BASE_DIR / "var")
PUBLIC_URL = web_address("PUBLIC_URL", "http://127.0.0.1:8000")
HTTPS = PUBLIC_URL.startswith("https:")
ALLOWED_HOSTS = names("ALLOWED_HOSTS", [urlsplit(PUBLIC_URL).hostname or "", "127.0.0.1", "localhost", "[::1]"])
if "*" in ALLOWED_HOSTS:
    raise wrong("ALLOWED_HOSTS", "must name the hosts; '*' would let anyone forge links", example="mail.example.com")

# -- Database and broker: real servers by URL, else embedded ones under VAR_DIR ----------------------------------------

EMBEDDED_POSTGRES = not text("DATABASE_URL", "")
EMBEDDED_BROKER = not text("CELERY_BROKER_URL", "")
# Off makes tests quicker. It risks the data when the machine (not just a process) goes down.
EMBEDDED_FSYNC = switch("EMBEDDED_FSYNC", default=True)
_PLACE = embedded.place(VAR_DIR)

_STATEMENT_SECONDS = {"web": 5, "command": 0}
_POOLED = ("transmit", "transactional")


def _database() -> dict[str, Any]:
    example = "postgres://letterpace:secret@127.0.0.1:5432/letterpace"
    if EMBEDDED_POSTGRES:
        found: dict[str, Any] = {"HOST": str(_PLACE.postgres_sockets), "USER": "letterpace", "NAME": "letterpace"}
    else:
        found = parsed("DATABASE_URL", lambda: env.db_url("DATABASE_URL"), example=example)
        if "postgresql" not in found.get("ENGINE", ""):
            raise wrong("DATABASE_URL", "must be a PostgreSQL address; no other database will do", example=example)
        if not found.get("NAME"):
            raise wrong("DATABASE_URL", "must end with the name of a database", example=example)
        # A folder of sockets is written %2Frun%2Fpostgresql in a URL.
        found["HOST"] = unquote(found.get("HOST") or "")
    return {**found, "ENGINE": "config.postgresql", **_connection_options(found.get("OPTIONS", {}))}


def _connection_options(given: dict[str, Any]) -> dict[str, Any]:
    statement_ms = _STATEMENT_SECONDS.get(PROCESS_KIND, 60) * 1000
    return {
        # The web and what ticks every second keep connections, and check them: in a new one the first statements cost
        # several times as much. A sending worker opens and lets go one several times a batch; it has a pool.
        "CONN_MAX_AGE": 600 if PROCESS_KIND in ("web", "control") else 0,
        "CONN_HEALTH_CHECKS": PROCESS_KIND in ("web", "control", *_POOLED),
        "OPTIONS": {
            "connect_timeout": 5,
            "application_name": f"letterpace-{PROCESS_KIND}",
            # Nothing of Django's is prepared for that; what the planner asks every second is (`sending.one_trip`).
            "prepare_threshold": 5,
            "options": f"-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout=60000",
            **({"pool": {"min_size": 1, "max_size": 16, "timeout": 10.0}} if PROCESS_KIND in _POOLED else {}),
            **given,
        },
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _broker() -> str:
    url = _PLACE.broker_url if EMBEDDED_BROKER else text("CELERY_BROKER_URL", "")
    schemes = {"redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp", "memory"}
    if url.partition("://")[0] not in schemes:
        raise wrong(
            "CELERY_BROKER_URL", "must be a Redis, Valkey or RabbitMQ address", example="redis://127.0.0.1:6379/0"
        )
    return url


CELERY_BROKER_URL = _broker()

# -- Keys: files of their own, in the backup, never in the database ----------------------------------------------------

KEYS_DIR = folder("KEYS_DIR", VAR_DIR / "keys")
# A production start never makes keys: a forgotten mount must not quietly become a new pepper.
if DEBUG or EMBEDDED_POSTGRES:
    try:
        keys.make_missing(KEYS_DIR)
    except OSError as error:
        raise wrong("KEYS_DIR", f"({KEYS_DIR}) is not writable: {error.strerror}", example="/srv/lp/keys") from error


def _keys() -> tuple[str, bytes, dict[int, bytes], dict[int, bytes]]:
    # The command that makes the keys has to start without them.
    if PROCESS_KIND == "make_keys":
        return "not-used-by-this-command", b"", {}, {}
    secret = text("SECRET_KEY", "") or keys.load(KEYS_DIR, "django").hex()
    if len(secret) < 32:
        raise wrong("SECRET_KEY", "must have at least 32 characters", example="$(openssl rand -hex 32)")
    tokens, seals = (keys.load_versions(KEYS_DIR, name) for name in ("tokens", "seal"))
    return secret, keys.load(KEYS_DIR, "pepper"), tokens, seals


SECRET_KEY, PEPPER, TOKEN_KEYS, SEAL_KEYS = _keys()

# -- Sending -----------------------------------------------------------------------------------------------------------

# The host whose queue (egress.<host>) this machine's transmit workers serve.
EGRESS_HOST = text("EGRESS_HOST", "main")
if not EGRESS_HOST.replace("-", "").isalnum():
    raise wrong("EGRESS_HOST", "may hold letters, digits and hyphens only", example="main")
TRANSMIT_THREADS = whole_number("TRANSMIT_THREADS", 32, lowest=1, highest=512)
TRANSACTIONAL_THREADS = whole_number("TRANSACTIONAL_THREADS", 4, lowest=1, highest=64)
WEB_THREADS = whole_number("WEB_THREADS", 8, lowest=1, highest=128)
WEB_WORKERS = whole_number("WEB_WORKERS", 1, lowest=1, highest=64)
WEB_LISTEN = host_and_port("WEB_LISTEN", text("WEB_LISTEN", "127.0.0.1:8000"), example="127.0.0.1:8000")
# Does preflight have the links of letters asked whether they work? In the lab only those to this machine are.
LINK_CHECKS = switch("LINK_CHECKS", default=True)
# With LAB, every address that is not loopback is refused: nothing can leak out of a rehearsal.
LAB = switch("LAB", default=False)
SMTP_PORT = whole_number("SMTP_PORT", 25, lowest=1, highest=65535)
if SMTP_PORT != 25 and not LAB:
    raise wrong("SMTP_PORT", "can be another one than 25 only together with LAB=yes", example="25")
# Seconds to wait for a receiver: to connect, for the answer to a command, and for the answer to the final dot.
SMTP_CONNECT_TIMEOUT = whole_number("SMTP_CONNECT_TIMEOUT", 30, lowest=1, highest=300)
SMTP_COMMAND_TIMEOUT = whole_number("SMTP_COMMAND_TIMEOUT", 60, lowest=1, highest=600)
SMTP_DOT_TIMEOUT = whole_number("SMTP_DOT_TIMEOUT", 300, lowest=1, highest=1800)
# Days for which deliveries and their outcomes are kept after their campaigns are done; 0 is for ever.
KEEP_DELIVERIES_DAYS = whole_number("KEEP_DELIVERIES_DAYS", 0, lowest=0, highest=36500)
DNS_SERVERS = hosts_and_ports("DNS_SERVERS", example="127.0.0.1:5353,127.0.0.1:5354")
# Blocklists want to be asked by a resolver of one's own; public ones they refuse.
DNSBL_SERVERS = hosts_and_ports("DNSBL_SERVERS", example="127.0.0.1:5335")
DNSBL_LISTS = names("DNSBL_LISTS", ["all"])
SPAMHAUS_KEY = text("SPAMHAUS_KEY", "")
if SPAMHAUS_KEY and not SPAMHAUS_KEY.isalnum():
    raise wrong("SPAMHAUS_KEY", "may hold letters and digits only", example="abcdefghijklmnopqrstuvwxyz")
# What broke is told here too, signed; into our own network only where that is allowed.
ALERT_WEBHOOK_PRIVATE = switch("ALERT_WEBHOOK_PRIVATE", default=False)
ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET = text("ALERT_WEBHOOK_URL", ""), text("ALERT_WEBHOOK_SECRET", "")
if ALERT_WEBHOOK_URL:
    check_webhook(ALERT_WEBHOOK_URL, ALERT_WEBHOOK_SECRET, private=ALERT_WEBHOOK_PRIVATE or LAB)
INBOUND_LISTEN = host_and_port("INBOUND_LISTEN", text("INBOUND_LISTEN", "127.0.0.1:2525"), example="0.0.0.0:25")
# Divides retry, greylisting, back-off and DSN delays, so that a demo shows in minutes what takes days.
TIME_FACTOR = factor("TIME_FACTOR", 1.0)
if TIME_FACTOR != 1.0 and not LAB:
    raise wrong("TIME_FACTOR", "can be another one than 1.0 only together with LAB=yes", example="1.0")

# -- The site ----------------------------------------------------------------------------------------------------------

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

INSTALLED_APPS = [
    "config",
    "audiences",
    "reputation",
    "sending",
    "campaigns",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.forms",
    "django_celery_beat",
    "anymail",
    "django_htmx",
    "template_partials",
    "csp",
    # Behind `config`, whose templates stand in front of theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.languages.SiteLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "config.gatekeeper.Gatekeeper",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "django.template.context_processors.static",
                "config.shell.shell",
            ],
            "builtins": ["config.templatetags.letterpace", "django.templatetags.i18n"],
        },
    },
]

# Fields and widgets are drawn by templates/django/forms/.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

STATIC_URL = "/static/"
STATIC_ROOT = folder("STATIC_ROOT", BASE_DIR / "staticfiles")
STATICFILES_DIRS: list[Any] = [path for path in [BASE_DIR / "static"] if path.is_dir()]
# The pictures of the documentation, which the site shows as help.
STATICFILES_DIRS += [("handbook", path) for path in [BASE_DIR / "docs" / "pictures"] if path.is_dir()]
MEDIA_URL = "/media/"
MEDIA_ROOT = folder("MEDIA_ROOT", VAR_DIR / "media")
# Without a collected manifest (tests, `make dev`) files are served from where they lie.
_COLLECTED = (STATIC_ROOT / "staticfiles.json").is_file() and not DEBUG
WHITENOISE_USE_FINDERS = not _COLLECTED
warnings.filterwarnings("ignore", message="No directory at", category=UserWarning)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _COLLECTED
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]
LANGUAGE_CODE = "en"
# What recipients' pages speak. Each but English has its words under locale/.
LANGUAGES = [
    ("en", "English"),
    ("ar", "العربية"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt-br", "Português (Brasil)"),
    ("sv", "Svenska"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("zh-hans", "简体中文"),
]
# What the team's pages speak: languages whose `locale/*/LC_MESSAGES/site.po` is complete.
SITE_LANGUAGES = ["en", "de", "es", "fr"]
# Recipients' words come first: they win where both say the same.
LOCALE_PATHS = [VAR_DIR / "locale", VAR_DIR / "locale" / "site"]

# -- People and their sessions -----------------------------------------------------------------------------------------

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "config.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
# Who was invited proved the address by coming in; nothing here waits for a mail we may not be able to send yet.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
# Each proxy in front of us adds one address to X-Forwarded-For; sign-in attempts are counted by the one before them.
ALLAUTH_TRUSTED_PROXY_COUNT = whole_number("TRUSTED_PROXIES", 1 if HTTPS else 0, lowest=0, highest=9)
MFA_ADAPTER = "config.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True
# Browsers take passkeys over https, and on localhost without it.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
# When a session was last used would be a write at every request, polls among them.
USERSESSIONS_TRACK_ACTIVITY = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# `__Host-` binds a cookie to this very host; browsers take it over https only.
_COOKIE_PREFIX = "__Host-" if HTTPS else ""
SITE_LANGUAGE_COOKIE = f"{_COOKIE_PREFIX}language"
SESSION_COOKIE_NAME = f"{_COOKIE_PREFIX}session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{_COOKIE_PREFIX}csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# -- Headers -----------------------------------------------------------------------------------------------------------

# A proxy ends TLS in front of us and says so; it must drop this header when a client sends it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# W021: to be on the browsers' preload list is a decision about the whole domain, not ours to take.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
    },
}

DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2_500_000

# -- For people's answers and our alerts where no route of ours can; campaigns never go this way ----------------------

_EMAIL = parsed(
    "EMAIL_URL",
    lambda: env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "smtp://localhost:25"),
    example="smtp+tls://user:secret@smtp.example.com:587",
)
EMAIL_BACKEND = _EMAIL["EMAIL_BACKEND"]
EMAIL_HOST = _EMAIL.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _EMAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _EMAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _EMAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = bool(_EMAIL.get("EMAIL_USE_TLS"))
EMAIL_USE_SSL = bool(_EMAIL.get("EMAIL_USE_SSL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", f"letterpace@{urlsplit(PUBLIC_URL).hostname}")

# -- Logging: plain lines on stderr; request bodies, addresses and settings stay out -----------------------------------

LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise wrong("LOG_LEVEL", "must be DEBUG, INFO, WARNING or ERROR", example="INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # A line for every tick, every second, hides what matters.
        "celery.beat": {"level": "WARNING"},
        # Statements carry addresses; they are never logged, whatever the level.
        "django.db.backends": {"level": "INFO"},
    },
}
