"""`python -m portal.run` with tiny stand-ins for the product's own processes.

The web stand-in answers /readyz, the others sleep; the worker leaves a child of its own, as Celery
does. STANDIN_PREPARE replaces the preparing command's program.
"""

import os
import sys

from portal import plan as real
from portal import run

WEB = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
SLEEP = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}, *sys.argv[1:]])"
PREPARE = (
    """print('{"setup_url": null, "key": "csk_test_demo", "gateway_token": "csg_test_demo"}')"""
)


def plan(options: real.Options) -> real.Plan:
    python, place = [sys.executable, "-c"], str(options.data_dir)
    prepare = os.environ.get("STANDIN_PREPARE", PREPARE)
    return real.Plan(
        [real.Command("prepare", [*python, prepare, place], owner=True)],
        [
            real.Command("web", [*python, WEB, str(options.port), place]),
            real.Command("worker", [*python, PARENT, place]),
            real.Command("drain", [*python, SLEEP, place]),
        ],
    )


if __name__ == "__main__":
    sys.exit(run.main(plan))
