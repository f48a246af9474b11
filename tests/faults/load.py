"""Traffic on a stand while things break: what was asked, answered and taken away, and when."""

import http.client
import json
import random
import threading
import time
from typing import Any, Final, NamedTuple

from tests.invariants.stand import Acme, Key, Told, ask
from tests.invariants.traffic import body
from tests.processes import CheckServer

CHAT: Final = {"name": "k", "environment": "live", "scopes": ["chat:write"]}
CALENDAR: Final = body("second", 15, "second", "calendar")
SMOOTH: Final = body("smooth", 600, "minute", "smooth", burst=20)
KINDS: Final[list[dict[str, Any]]] = [
    CHAT, {**CHAT, "limits": [CALENDAR]}, {**CHAT, "limits": [SMOOTH]},
    {**CHAT, "scopes": []}, {**CHAT, "suspended": True},
]  # fmt: skip
ANY, BY_SECOND, BY_RATE, *NEVER = range(len(KINDS))
"""Where a key of each kind stands among Acme's; the last two may never be allowed."""
WEIGHTS: Final = [4, 10, 4, 1, 1]
"""How often each is asked for, beside 6 for all victims together."""
GONE: Final = (OSError, http.client.HTTPException)
"""What a client sees of a server that is killed."""


class Seen(NamedTuple):
    """One question: when it began (time.monotonic), about which key, and its answer."""

    began: float
    key: str
    told: Told


class Taken(NamedTuple):
    """A key that was revoked: when that was answered, and whether every process knew."""

    at: float
    key: Key
    propagation: str


def manage(portal: CheckServer, acme: Acme, path: str, content: Any) -> tuple[int, Any]:
    """A call of the management API by the owner's token."""
    headers = {"Authorization": f"Bearer {acme.token}", "Content-Type": "application/json"}
    status, _, answer = portal.call(
        "POST", f"/v1/tenants/{acme.slug}/keys{path}", headers=headers,
        body=json.dumps(content).encode(),
    )  # fmt: skip
    return status, json.loads(answer)


class Load:
    """Threads that ask every server about Acme's keys, and one that revokes `victims` in turn.

    `servers` and `portal[0]` may be replaced meanwhile: a server that is gone is asked again.
    """

    def __init__(
        self, acme: Acme, servers: list[CheckServer], portal: list[CheckServer],
        victims: list[Key], chance: random.Random,
    ) -> None:  # fmt: skip
        self.acme, self.servers, self.portal, self.victims = acme, servers, portal, victims
        self.asked = [*acme.keys[: len(KINDS)], *victims]
        self.weights = [*WEIGHTS, *[6 / len(victims)] * len(victims)]
        self.seen: list[Seen] = []
        self.taken: list[Taken] = []
        self.ended = threading.Event()
        seeds = [chance.random() for _ in range(2 * len(servers))]
        self.threads = [
            threading.Thread(target=self._ask, args=(n % len(servers), random.Random(seed)))
            for n, seed in enumerate(seeds)
        ]
        self.threads.append(threading.Thread(target=self._take_away))
        self.faults: list[BaseException] = []

    def _ask(self, place: int, chance: random.Random) -> None:
        while not self.ended.is_set():
            (key,), began = chance.choices(self.asked, self.weights), time.monotonic()
            try:
                told = ask(self.servers[place], self.acme.gateway, key.text)
            except GONE:
                time.sleep(0.01)
                continue
            except BaseException as error:  # told by __exit__
                self.faults.append(error)
                return
            self.seen.append(Seen(began, key.id, told))

    def _take_away(self) -> None:
        for key in self.victims:
            status = 0
            while status != 200 and not self.ended.wait(0.1):
                try:
                    path = f"/{key.id}/revoke"
                    status, answer = manage(self.portal[0], self.acme, path, {"reason": "x"})
                except (*GONE, ValueError):
                    continue
                if status == 200:
                    self.taken.append(Taken(time.monotonic(), key, answer["propagation"]))
                elif status == 409:  # the answer before this was lost on its way
                    break
                elif status != 503:
                    self.faults.append(AssertionError(status, answer))

    def limits_were_reached(self) -> bool:
        """Whether a calendar limit has refused: else nothing was shown of it."""
        return any(seen.told.code == "QUOTA_EXCEEDED" for seen in [*self.seen])

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]
