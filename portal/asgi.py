"""Django as an ASGI application: pages and the management API."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# Else jobs that a request asks for would look for a broker on Celery's default address.
import portal.celery  # noqa: F401 - the settings' name first

application = get_asgi_application()
