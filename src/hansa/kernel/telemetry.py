"""Structured logs and Prometheus metrics. Names: `hansa_<room>_<what>_<unit>`, bounded labels."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry(auto_describe=True)

HTTP_REQUESTS = Counter(
    "hansa_node_http_requests_total", "Requests answered.", ["status_class"], registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "hansa_node_http_request_seconds",
    "Time to answer a request, in seconds.",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10),
    registry=REGISTRY,
)
NEGOTIATIONS = Counter(
    "hansa_exchange_negotiations_total",
    "Contract negotiations that reached an end, by end.",
    ["state"],
    registry=REGISTRY,
)
GOVERNED_ENTITIES = Counter(
    "hansa_dataplane_entities_total", "Entities that left under an agreement.", registry=REGISTRY
)
REFUSALS = Counter(
    "hansa_dataplane_refusals_total", "Governed requests refused, by code.", ["code"],
    registry=REGISTRY,
)  # fmt: skip
STATUS_AGE = Gauge(
    "hansa_trust_status_age_seconds", "Age of the authority's last status list.", registry=REGISTRY
)

_SECRET_KEYS = frozenset({"authorization", "token", "cookie", "secret", "password", "dsn"})


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if key.lower() in _SECRET_KEYS:
            event[key] = "(not logged)"
    return event


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Write one JSON object per line to `stream` (default standard error)."""
    out = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(message)s", force=True)


def metrics_text() -> bytes:
    """Give all metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
