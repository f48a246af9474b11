"""An SMTP server (RFC 5321) of a test's own."""

import socket
import threading
from collections.abc import Mapping


class Postman:
    """Takes every mail; `answers` says what it says instead to a command, such as RCPT."""

    def __init__(self, answers: Mapping[bytes, bytes] | None = None) -> None:
        self.answers, self.taken = dict(answers or {}), list[str]()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp+plain://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(b"220 here\r\n")
            for line in lines:
                command = line[:4].upper()
                said = self.answers.get(command)
                if command == b"DATA" and said is None:
                    connection.sendall(b"354 go on\r\n")
                    self.taken.append(b"".join(iter(lines.readline, b".\r\n")).decode())
                connection.sendall((said or b"250 fine") + b"\r\n")
                if command == b"QUIT":
                    return

    def stop(self) -> None:
        """Answer nobody any more."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
