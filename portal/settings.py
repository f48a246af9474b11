"""Django's settings, from the registry in portal.core.configuration."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from portal.core import configuration as env
from portal.core.logs import configure_logs
from portal.core.relying_party import relying_party

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = env.SECRET_KEY()
DEBUG = env.DEBUG()
ALLOWED_HOSTS = env.ALLOWED_HOSTS()

INSTALLED_APPS = [
    "portal.core",
    "audit.ledger",
    "portal.tenancy",
    "audit",
    "consent",
    "keys",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django_otp",
    "django_otp_webauthn",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "portal.core.middleware.RequestId",
    "portal.core.middleware.Headers",
    "portal.core.middleware.Compressed",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.tenancy.signing_in.middleware.SecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
APPEND_SLASH = False
AUTH_USER_MODEL = "tenancy.Person"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.navigation.navigation",
            ],
            "builtins": ["portal.core.templatetags.countersign"],
        },
    }
]


def database(url: str, *, pooled: bool) -> dict[str, Any]:
    """Django's form of a PostgreSQL URL; a socket folder may stand in `?host=`."""
    parts = urlsplit(url)
    options: dict[str, Any] = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    host = options.pop("host", None) or parts.hostname or ""
    if pooled:
        # Give up soon: the next request tries again at once, where a pool's own attempts double
        # their pause up to minutes after PostgreSQL has come back.
        options["pool"] = {"min_size": 1, "max_size": 12, "timeout": 5, "reconnect_timeout": 0.5}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": parts.port or "",
        "OPTIONS": options,
        "ATOMIC_REQUESTS": False,
    }


def broker(url: str) -> str:
    """Celery's form of a Redis URL: it spells sockets and database numbers in its own way."""
    if not url.startswith("unix://"):
        return url
    return url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)


DATABASES = {"default": database(env.DATABASE_URL(), pooled=True)}
if owner_url := env.DATABASE_OWNER_URL():
    DATABASES["owner"] = database(owner_url, pooled=False)
    # A migration that has to wait gives way to the release that is serving.
    DATABASES["owner"]["OPTIONS"]["options"] = "-c lock_timeout=5s"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
USE_I18N = False
FORMAT_MODULE_PATH = ["portal.core.formats"]
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "portal" / "static"]
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.tenancy.authentication.ManagementTokens"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.core.strictjson.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "portal.core.problems.handle",
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Countersign",
    "VERSION": "1",
    "DESCRIPTION": "May this key do this, for this person, now?",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["portal.openapi.add_check_path"],
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if env.SECURE() else 0
# A page over plain HTTP is a redirect, before any session is read. Programs are refused instead
# (portal.tenancy.authentication, keys.gateway): one that is redirected goes on sending its
# credential in clear and nobody notices.
SECURE_SSL_REDIRECT = env.SECURE()
SECURE_REDIRECT_EXEMPT = [r"^v1/", r"^healthz$", r"^readyz$", r"^metrics$", r"^\.well-known/"]
SILENCED_SYSTEM_CHECKS = [
    "security.W005", "security.W021",  # subdomains and preload lists bind hosts that are not ours
    "otp_webauthn.E010", "otp_webauthn.E030",  # where there can be no passkeys, the pages say so
]  # fmt: skip
SESSION_ENGINE = "portal.tenancy.sessions"
SESSION_COOKIE_AGE = env.SESSION_HOURS() * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.SECURE()
# `__Host-` (RFC 6265bis, section 4.1.3.2): no other host or path can set it. It needs HTTPS.
SESSION_COOKIE_NAME = "__Host-countersign" if env.SECURE() else "countersign"
CSRF_COOKIE_NAME = "__Host-countersign-form" if env.SECURE() else "countersign-form"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.core.error_pages.forged"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
AUTHENTICATION_BACKENDS = ["portal.tenancy.signing_in.backend.People"]
AUTH_PASSWORD_VALIDATORS = [
    # NIST SP 800-63B, section 5.1.1.2: long, not among the known ones, no other rules.
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
OTP_TOTP_ISSUER = "Countersign"
# Its views and addresses are not served (portal.tenancy.signing_in.passkeys says why).
OTP_WEBAUTHN_CREDENTIAL_MODEL = "tenancy.Passkey"
OTP_WEBAUTHN_RP_NAME = "Countersign"
party = relying_party()
OTP_WEBAUTHN_RP_ID = party.id if party else ""
OTP_WEBAUTHN_ALLOWED_ORIGINS = [party.origin] if party else []
OTP_WEBAUTHN_SUPPORTED_COSE_ALGORITHMS = [-7, -8, -257]  # ES256, EdDSA, RS256
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

CELERY_BROKER_URL = env.BROKER_URL() or broker(env.REDIS_URL())
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

LOGGING_CONFIG = None
configure_logs(env.LOG_LEVEL())
