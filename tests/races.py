"""Acts that begin at the same moment, in threads with connections of their own."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection

from portal.core.refusals import Refusal

Act = Callable[[], Any]


def at_once(*acts: Act) -> list[Any]:
    """What each comes to, in the order in which they ended: its value, or a Refusal's code."""
    begin, told = threading.Barrier(len(acts)), list[Any]()

    def one(act: Act) -> None:
        begin.wait()
        try:
            told.append(act())
        except Refusal as refusal:
            told.append(str(refusal.code))
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def outcomes(*acts: Act) -> list[str]:
    """The same of acts whose value does not matter: sorted, "done" or a Refusal's code."""

    def done(act: Act) -> str:
        act()
        return "done"

    return sorted(at_once(*(partial(done, act) for act in acts)))
