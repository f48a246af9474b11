"""Tell a worker of something to do, without waiting for the broker."""

import logging
import threading
from typing import Any

log = logging.getLogger(__name__)


def soon(task: Any, *arguments: Any) -> None:
    """Send a Celery task, beside what goes on: a broker that is away takes seconds to say so.

    Only for what the schedule finds as well: a message that cannot be sent is forgotten.
    """
    threading.Thread(target=_send, args=(task, arguments), daemon=True).start()


def _send(task: Any, arguments: tuple[Any, ...]) -> None:
    try:
        task.apply_async(arguments, retry=False)
    except Exception as error:
        log.warning("the broker does not answer; the schedule will find it: %s", type(error))
