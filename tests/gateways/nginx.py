"""A real nginx on the shipped recipe: its places are filled in and nothing else is changed."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.plugin import ROOT
from tests.processes import free_port

RECIPE = ROOT / "deploy" / "gateways" / "nginx.conf"
BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "nginx"
MAIN = """\
{user}daemon off;
master_process on;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log info;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    include {prefix}/countersign.conf;
}}
"""
SECRETS = """\
map "" $countersign_gateway {{ default "{gateway}"; }}
map "" $upstream_authorization {{ default "{upstream}"; }}
"""


def rendered(prefix: Path, port: int, countersign: tuple[int, ...], upstream: int) -> str:
    """The recipe with its places filled in; each stands in it exactly once."""
    servers = " ".join(f"server 127.0.0.1:{one};" for one in countersign)
    text = RECIPE.read_text()
    for place, value in {
        "include /etc/nginx/countersign/secrets.conf;": f"include {prefix}/secrets.conf;",
        "server 127.0.0.1:8000;": servers,
        "server 127.0.0.1:9000;": f"server 127.0.0.1:{upstream};",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "access_log /var/log/nginx/countersign.log": f"access_log {prefix}/access.log",
    }.items():
        assert text.count(place) == 1, place
        text = text.replace(place, value)
    return text


class Nginx:
    """One nginx with a directory of its own. `user`: as whom it runs, when this is root."""

    def __init__(
        self, *, countersign: tuple[int, ...], upstream: int, gateway: str,
        key: str = "Bearer sk-upstream", user: str | None = None,
    ) -> None:  # fmt: skip
        self.prefix = Path(tempfile.mkdtemp(prefix="countersign-nginx-"))
        self.port = free_port()
        root = os.geteuid() == 0 and user is None
        files = {
            "nginx.conf": MAIN.format(prefix=self.prefix, user="user root;\n" if root else ""),
            "countersign.conf": rendered(self.prefix, self.port, countersign, upstream),
            "secrets.conf": SECRETS.format(gateway=gateway, upstream=key),
        }
        for name, text in files.items():
            (self.prefix / name).write_text(text)
        (self.prefix / "secrets.conf").chmod(0o600)
        if user is not None:
            for path in (self.prefix, *self.prefix.iterdir()):
                shutil.chown(path, user)
        self.process = subprocess.Popen(
            [BINARY, "-p", str(self.prefix), "-c", str(self.prefix / "nginx.conf"),
             "-e", str(self.prefix / "error.log")],
            stderr=subprocess.DEVNULL, user=user,
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.01)
        raise AssertionError(f"nginx did not start: {self.error_log()}")

    def error_log(self) -> str:
        """What nginx complained of."""
        return (self.prefix / "error.log").read_text()

    def access_log(self, awaited: str) -> str:
        """What nginx logged of requests, once `awaited` is in it: it logs after it answered."""
        deadline = time.monotonic() + 5
        while awaited not in (log := (self.prefix / "access.log").read_text()):
            assert time.monotonic() < deadline, f"{awaited!r} was not logged: {log[-500:]}"
            time.sleep(0.01)
        return log

    def stop(self) -> None:
        """End it with its workers and remove its directory."""
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.prefix, ignore_errors=True)
