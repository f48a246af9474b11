"""Settings for tools that read code and touch no server: the type checker's plugin."""

import os

os.environ.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
os.environ.setdefault("REDIS_URL", "redis://127.0.0.1:1")
os.environ.setdefault("SECURE", "0")
os.environ.setdefault("SECRET_KEY", "only-read-by-the-type-checker")
os.environ.setdefault("KEY_PEPPERS", "1:" + "A" * 43 + "=")
os.environ.setdefault("ENCRYPTION_KEYS", "1:" + "A" * 43 + "=")

from portal.settings import *  # noqa: F403
