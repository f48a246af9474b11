"""The check path's figures for Prometheus: read when asked for, counted by plain integers."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keys.codes import Code

if TYPE_CHECKING:
    from keys.gateway.service import CheckService


class CheckMetrics(Collector):
    """One label a decision code; what waits for the drain is what a loss of Redis could regrant."""

    def __init__(self, service: "CheckService") -> None:
        self.service = service

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        decider, script = self.service.decider, self.service.script
        decisions = CounterMetricFamily(
            "countersign_decisions", "Decisions told by this process.", labels=["code"]
        )
        for code in Code:
            decisions.add_metric([code.name], decider.told[code])
        yield decisions
        yield CounterMetricFamily(
            "countersign_short_answers",
            "Of these, told without parsing a head that was known (docs/performance.md).",
            value=decider.short,
        )
        yield CounterMetricFamily(
            "countersign_script_calls", "Calls of the decision's script.", value=script.calls
        )
        yield CounterMetricFamily(
            "countersign_snapshot_statements", "Statements that read snapshots.",
            value=self.service.snapshots.statements,
        )  # fmt: skip
        yield GaugeMetricFamily(
            "countersign_keys_held", "Keys held in memory.",
            value=len(self.service.snapshots.keys.held),
        )  # fmt: skip
        yield GaugeMetricFamily(
            "countersign_undrained_decisions",
            "Decisions that wait for the drain: what could be granted again if Redis lost them.",
            value=self.service.undrained,
        )
