"""What `/metrics` says of the loaded models, read from the pool when it is asked."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..inference.pool import Pool


class PoolMetrics(Collector):
    """Estimated memory, waiting images and replaced sessions of each loaded model."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        """The numbers of now."""
        memory = GaugeMetricFamily(
            "inflare_model_memory_bytes", "Estimated memory of a loaded model.", labels=["model"]
        )
        pending = GaugeMetricFamily("inflare_model_pending", "Images submitted and not yet answered.", labels=["model"])
        lost = CounterMetricFamily(
            "inflare_sessions_lost", "Sessions replaced because their device failed.", labels=["model"]
        )
        for model in self._pool.models:
            name = [model.weights.card.id]
            memory.add_metric(name, model.memory)
            pending.add_metric(name, model.batcher.pending)
            lost.add_metric(name, model.batcher.lanes.lost)
        yield from (memory, pending, lost)
