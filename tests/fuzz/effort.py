"""How many examples: 200 an operation in the gate, as many as FUZZ says otherwise.

In the gate the draws are the same on each run (what the world's ids and keys are is not);
`make fuzz` draws others each time. What failed is printed with how to repeat it.
"""

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

MORE: Final = int(os.environ.get("FUZZ", "0"))
EXAMPLES: Final = MORE or 200


def effort(examples: int = EXAMPLES) -> settings:
    """Hypothesis' settings; without a gate's hurry a failure is made small before it is told."""
    return settings(
        max_examples=examples, derandomize=not MORE, print_blob=True, deadline=None, database=None,
        phases=[Phase.generate, *([Phase.shrink] if MORE else [])],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
