"""What orchestrators and monitoring ask: does the process live, is it ready, how does it do."""

import hmac
from collections.abc import Callable
from functools import cache, wraps

from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from portal.core import configuration
from portal.core.bearer import bearer
from portal.core.error_pages import error_response
from portal.core.redis import client

View = Callable[[HttpRequest], HttpResponse]


def reading(view: View) -> View:
    """A view that only reads: any other method is METHOD_NOT_ALLOWED."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if request.method in {"GET", "HEAD"}:
            return view(request)
        response = error_response(request, "METHOD_NOT_ALLOWED")
        response["Allow"] = "GET, HEAD"
        return response

    return guarded


@cache
def wanted_migrations() -> frozenset[tuple[str, str]]:
    """Every migration that this release brings."""
    return frozenset(MigrationLoader(None).disk_migrations)


def missing_migrations() -> list[str]:
    """`app.name` of what the database lacks, in order; raises Django's Error when it is away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        applied = set(cursor.fetchall())
    return sorted(f"{app}.{name}" for app, name in wanted_migrations() - applied)


def _database() -> dict[str, str]:
    try:
        missing = missing_migrations()
    except Error:
        return {"postgresql": "away", "migrations": "unknown"}
    return {"postgresql": "ok", "migrations": "missing" if missing else "ok"}


def _redis() -> str:
    try:
        return "ok" if client().ping() else "away"
    except RedisError:
        return "away"


@reading
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks nobody: a lost database is no reason to restart it."""
    return JsonResponse({"status": "ok"})


@reading
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when PostgreSQL and Redis answer and no migration is missing, else 503."""
    parts = {**_database(), "redis": _redis()}
    ready = set(parts.values()) == {"ok"}
    answer = {"status": "ok" if ready else "unready", **parts}
    return JsonResponse(answer, status=200 if ready else 503)


@reading
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text for who holds METRICS_TOKEN; for anyone else there is no such page."""
    wanted = configuration.METRICS_TOKEN()
    sent = bearer(request.META.get("HTTP_AUTHORIZATION", ""))
    in_clear = configuration.SECURE() and not request.is_secure()
    if not wanted or in_clear or not hmac.compare_digest(sent.encode(), wanted.encode()):
        raise Http404
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
