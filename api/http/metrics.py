"""Prometheus metrics: requests by route, their times, the queues, the workers' stages and GPUs, the indexes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as MEDIA_TYPE
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.errors import Unavailable
from graph.vectors.manifest import Manifest
from workers import recovery
from workers.gpu_use import GpuUse, stored_gpu_use
from workers.stage_timings import StageTiming, read_timings

__all__ = ["MEDIA_TYPE", "Measured", "Measurements", "Measures"]


class Measurements:
    """The counters of one app (each app has a registry of its own)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "transitive_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "transitive_http_request_seconds", "Time to the end of an answer.", ["route"], registry=self.registry
        )
        self.waiting = Gauge("transitive_queue_jobs", "Jobs waiting in a queue.", ["queue"], registry=self.registry)
        self.stages = _StageTimings()
        self.registry.register(self.stages)
        self.index_vectors = Gauge(
            "transitive_index_vectors", "Vectors in a model's index.", ["model"], registry=self.registry
        )
        self.index_bytes = Gauge(
            "transitive_index_vector_bytes", "Bytes of these vectors on disk.", ["model"], registry=self.registry
        )
        gpu = ["host", "gpu"]
        self.gpu_use = Gauge("transitive_gpu_utilization", "Busy share of a GPU, 0..1.", gpu, registry=self.registry)
        self.gpu_used = Gauge("transitive_gpu_memory_used_bytes", "Used GPU memory.", gpu, registry=self.registry)
        self.gpu_total = Gauge("transitive_gpu_memory_bytes", "Memory of a GPU.", gpu, registry=self.registry)
        self.redis_up = Gauge("transitive_redis_up", "Whether Redis answers.", registry=self.registry)

    def text(self, redis_url: str, indexes: Mapping[str, Manifest]) -> bytes:
        """Read what Redis knows and return all metrics as text; `indexes` maps models to their vector indexes."""
        self._set_indexes(indexes)
        try:
            for name, count in recovery.waiting_count(redis_url).items():
                self.waiting.labels(name).set(count)
            self.stages.found = read_timings(redis_url)
            self._set_gpus(stored_gpu_use(redis_url))
            self.redis_up.set(1)
        except Unavailable:  # the metrics without Redis are still useful
            self.waiting.clear()
            self.stages.found = []
            self._set_gpus([])
            self.redis_up.set(0)
        return generate_latest(self.registry)

    def _set_indexes(self, indexes: Mapping[str, Manifest]) -> None:
        self.index_vectors.clear()
        self.index_bytes.clear()
        for model, manifest in indexes.items():
            self.index_vectors.labels(model).set(manifest.rows)
            self.index_bytes.labels(model).set(manifest.vector_bytes)

    def _set_gpus(self, gpus: Sequence[GpuUse]) -> None:
        for gauge in (self.gpu_use, self.gpu_used, self.gpu_total):
            gauge.clear()
        for gpu in gpus:
            self.gpu_use.labels(gpu.host, gpu.number).set(gpu.utilization)
            self.gpu_used.labels(gpu.host, gpu.number).set(gpu.used_bytes)
            self.gpu_total.labels(gpu.host, gpu.number).set(gpu.total_bytes)


class _StageTimings(Collector):
    """Collector of the workers' stage timings, which Redis sums."""

    def __init__(self) -> None:
        self.found: list[StageTiming] = []

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the seconds and the runs of every stage."""
        names = ["kind", "stage"]
        seconds = CounterMetricFamily("transitive_stage_seconds", "Time in a stage of the workers' jobs.", labels=names)
        runs = CounterMetricFamily("transitive_stage_runs", "Jobs that went through a stage.", labels=names)
        for one in self.found:
            seconds.add_metric([one.kind, one.stage], one.seconds)
            runs.add_metric([one.kind, one.stage], one.runs)
        yield from (seconds, runs)


class Measured:
    """ASGI middleware that counts and times requests by the route's template, so that ids add no time series."""

    def __init__(self, app: ASGIApp, measurements: Measurements) -> None:
        self.app, self.measurements = app, measurements

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count it when it ends."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begin = time.perf_counter()
        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            self.measurements.requests.labels(scope["method"], route, str(status)).inc()
            self.measurements.seconds.labels(route).observe(time.perf_counter() - begin)


async def measurements(request: Request) -> Measurements:
    """Hand a route the app's counters."""
    found: Measurements = request.app.state.measurements
    return found


Measures = Annotated[Measurements, Depends(measurements)]
