"""What is logged, at whatever level: nothing that was shown to one person alone."""

import os
import subprocess
import sys

from tests.plugin import ROOT

PROGRAM = """
import logging
import django
django.setup()
from django.template import Context, Template
shown = Template("{{ codes }}{% if there.is.none %}{% endif %}{{ neither }}")
assert "8kq2-v7wd-x3mn" in shown.render(Context({"codes": "8kq2-v7wd-x3mn"}))
logging.getLogger("countersign").debug("a key: csk_live_7Kq2mX9aB4cD_%s", "S" * 49)
"""


def test_at_debug_neither_a_templates_context_nor_a_secret_is_written() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, capture_output=True, text=True,
        env={**os.environ, "LOG_LEVEL": "DEBUG", "DJANGO_SETTINGS_MODULE": "portal.settings"},
    ).stderr  # fmt: skip
    assert "csk_live_7Kq2mX9aB4cD_[redacted]" in told, "it does write at DEBUG"
    assert "8kq2" not in told and "SSSS" not in told
