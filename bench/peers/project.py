"""The peers as one Django project, each as its documentation says. Run by `.venv-peers`.

`python -m bench.peers.project` migrates, makes one credential a peer and prints them as JSON;
gunicorn serves `bench.peers.project:application`. Needs DATABASE_URL; PERSISTENT=1 keeps database
connections, which Django by default does not.
"""

import json
import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

address = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    DEBUG=False, SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "rest_framework",
        "rest_framework.authtoken", "rest_framework_api_key", "knox", "oauth2_provider",
    ],
    MIDDLEWARE=[],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    OAUTH2_PROVIDER={"SCOPES": {"introspection": "ask about tokens", "read": "read"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": address.path.lstrip("/"),
        "USER": address.username, "PASSWORD": address.password,
        "HOST": parse_qs(address.query).get("host", [address.hostname])[0],
        "CONN_MAX_AGE": None if os.environ.get("PERSISTENT") else 0,
    }},
)  # fmt: skip
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - all of these need settings
from django.urls import path  # noqa: E402
from knox.auth import TokenAuthentication as KnoxAuthentication  # noqa: E402
from oauth2_provider.views import IntrospectTokenView  # noqa: E402
from rest_framework.authentication import TokenAuthentication  # noqa: E402
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_api_key.permissions import HasAPIKey  # noqa: E402


class Guarded(APIView):
    """Says that who asks may: all that these packages decide."""

    def post(self, request: Any) -> Response:
        """One decision."""
        return Response({"allowed": True})


def guarded(authentication: list[Any], permission: Any) -> Any:
    """The view behind one package."""
    return Guarded.as_view(authentication_classes=authentication, permission_classes=[permission])


urlpatterns = [
    path("api-key", guarded([], HasAPIKey)),
    path("knox", guarded([KnoxAuthentication], IsAuthenticated)),
    path("token", guarded([TokenAuthentication], IsAuthenticated)),
    path("introspect", IntrospectTokenView.as_view()),
]
application = get_wsgi_application()


def credentials() -> dict[str, list[str]]:
    """A path for each peer, its Authorization, and the body to send."""
    import datetime as dt

    from django.contrib.auth import get_user_model
    from django.utils import timezone
    from knox.models import get_token_model
    from oauth2_provider.models import AccessToken
    from rest_framework.authtoken.models import Token
    from rest_framework_api_key.models import APIKey

    people: Any = get_user_model()  # Django's own here, not ours
    user = people.objects.create_user("ada")
    later = timezone.now() + dt.timedelta(days=1)
    for text, scope in (("asks", "introspection"), ("asked", "read")):
        AccessToken.objects.create(user=user, token=text, scope=scope, expires=later)
    return {
        "api-key": ["Api-Key " + APIKey.objects.create_key(name="ada")[1], ""],
        "knox": ["Token " + get_token_model().objects.create(user)[1], ""],
        "token": ["Token " + Token.objects.create(user=user).key, ""],
        "introspect": ["Bearer asks", "token=asked"],
    }


if __name__ == "__main__":
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    print(json.dumps(credentials()))
