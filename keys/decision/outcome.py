"""What was decided, from the script's answer."""

import msgspec

from keys.codes import Code
from keys.decision.rules import Refused
from keys.decision.script import Answer
from keys.decision.snapshots import KeySnapshot


class LimitState(msgspec.Struct, gc=False):
    """A limit as an answer shows it."""

    name: str
    unit: str
    window: str
    limit: int
    remaining: int
    resets_in: int


class Decision(msgspec.Struct, gc=False):
    """What was decided. `key` and `id` are None where no key was proved."""

    code: Code
    id: str | None = None
    key: KeySnapshot | None = None
    limits: list[LimitState] = []
    retry_after: int | None = None
    failures: list[Refused] | None = None


def _seconds(milliseconds: int) -> int:
    return -(-milliseconds // 1000)


def decision_of(
    decision_id: str, key: KeySnapshot, answer: Answer, reasons: list[Refused] | None
) -> Decision:
    _, rank, shown, wait, ended, failed = answer
    limits = [
        LimitState(
            shape.name, shape.unit, shape.window, shape.amount,
            shown[2 * i], _seconds(shown[2 * i + 1]),
        )
        for i, shape in enumerate(key.limits)
    ]  # fmt: skip
    failures = None
    if reasons is not None:
        failures = sorted(
            reasons
            + [
                Refused(Code(code), "The end of the key or secret has passed.")
                for code in ended[:1]
            ]
            + [
                Refused(Code(failed[i + 1]), f"The limit {key.limits[failed[i] - 1].name} refuses.")
                for i in range(0, len(failed), 2)
            ],
            key=lambda reason: reason.code,
        )
    retry = _seconds(wait) if wait > 0 else None
    return Decision(Code(rank), decision_id, key, limits, retry, failures)
