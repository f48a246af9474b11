"""The decision's own script, asked from outside the check path: it spends and logs nothing.

What a page says is left is computed by the very lines that decide (keys/decision/decide.lua), by
the platform's clock. Such a question believes nothing, so leases and versions take no part in it.
This module is all that knows how the script is packed.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from keys.codes import Code
from keys.decision.script import BATCH, DECIDE, DECIDED, MOST_BYTES, SCRIPT, Answer, Reply
from keys.decision.snapshots import LimitRow
from keys.models import Limit
from portal.core import configuration
from portal.core.clock import milliseconds
from portal.core.names import name, prefix
from portal.core.redis import client

NOT_STATED: Final = -1
log = structlog.get_logger()


class CountersAway(Exception):
    """Redis does not answer, or has lost its memory: nobody knows what is left."""


class Asked(NamedTuple):
    """One question: these limits, what each would be charged, and what the rules found."""

    limits: msgspec.Raw
    """As snapshots pack them."""
    costs: Sequence[int]
    """One each, NOT_STATED for a unit that the request does not name."""
    rank: Code = Code.OK
    ends: Sequence[int] = ()
    """Pairs of a moment in milliseconds and the code from then on."""


def row_of(limit: Limit) -> LimitRow:
    """A limit as check processes read it (check_snapshots)."""
    return LimitRow(
        name=limit.name, unit=limit.unit, amount=limit.amount, window=limit.window,
        algorithm=limit.algorithm, burst=limit.burst, of=limit.key_id or limit.tenant_id,
        made=milliseconds(limit.created_at),
    )  # fmt: skip


def ask(questions: Sequence[Asked]) -> list[Answer]:
    """The script's answers, in order. Raises CountersAway."""
    answers: list[Answer] = []
    for begin in range(0, len(questions), BATCH):
        checks = [_check(each) for each in questions[begin : begin + BATCH]]
        try:
            # The run that the era began in, whichever this is: a page may show what comes back.
            run = _text(client().get(name("run")))
            asked = (configuration.TEST_CLOCK(), 1, MOST_BYTES, run, checks)
            raw: Any = _script()(keys=[prefix()], args=[msgspec.msgpack.encode(asked)])
            reply = msgspec.msgpack.decode(raw, type=Reply)
        except (RedisError, msgspec.DecodeError) as error:
            log.warning("counters.away", error=type(error).__name__)
            raise CountersAway from None
        answers += reply.answers
    if any(answer[0] != DECIDED for answer in answers):
        raise CountersAway
    return answers


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


@cache
def _script() -> Script:
    return client().register_script(SCRIPT)


def _check(asked: Asked) -> list[Any]:
    return [DECIDE, [], asked.rank, list(asked.ends), asked.limits, list(asked.costs), False, False]
