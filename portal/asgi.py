"""Django as an ASGI application: pages and the management API."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# Else jobs that a request asks for would look for a broker on Celery's default address.
import portal.celery  # noqa: F401 - the settings' name first

# No page and no call may keep PostgreSQL busy for longer: what asks for more is told to ask for
# less (error_pages.broken). Jobs and migrations are other processes, and may.
os.environ.setdefault("PGOPTIONS", "-c statement_timeout=20s")

application = get_asgi_application()
