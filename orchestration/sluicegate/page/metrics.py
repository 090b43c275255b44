"""Numbers for Prometheus: read from the records at each scrape, with labels of which there are few.

Names of exports, tables and partitions are no labels: a company of thousands would be as many series. Belongs
here: what is counted. Does not belong here: how it is asked for (`serving`).
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sluicegate.incidents.trouble import Urgency
from sluicegate.page import urgent
from sluicegate.page.look import Look
from sluicegate.page.pages import Pages

_SORTS = (urgent.LATE, urgent.HELD, urgent.FAILED, urgent.REFUSED)


class PageMetrics:
    """The registry of one server: the records' numbers, and how long its pages took, by kind of page."""

    def __init__(self, pages: Pages) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_OfRecords(pages))
        self.seconds = Histogram(
            "sluice_page_seconds", "How long a page took.", ["page"], registry=self.registry,
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10),
        )  # fmt: skip


class _OfRecords(Collector):
    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def describe(self) -> Iterator[Metric]:
        """Say nothing: the records are read at a scrape, and not when this is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the records once."""
        return _collected(self._pages.look())


def _collected(look: Look) -> Iterator[Metric]:
    store = look.store
    now = urgent.now(look)
    by_urgency = Counter(row.urgency for row in now.rows)
    incidents = GaugeMetricFamily("sluice_incidents_open", "Open incidents by urgency.", labels=["urgency"])
    for urgency in Urgency:
        incidents.add_metric([urgency.value], by_urgency[urgency.value])
    yield incidents
    wrong = GaugeMetricFamily(
        "sluice_partitions_wrong", "What is wrong, as the first page counts.", labels=["how"]
    )
    for sort in _SORTS:
        wrong.add_metric([sort], now.counts.get(sort, 0))
    yield wrong
    # No counter: a delivery that goes on to another status is one less of the former.
    deliveries = GaugeMetricFamily("sluice_deliveries", "Deliveries on record by status.", labels=["status"])
    for status, count in sorted(store.shown.delivery_counts().items()):
        deliveries.add_metric([status], count)
    yield deliveries
    unsent = store.incidents.outbox.unsent()
    yield GaugeMetricFamily("sluice_messages_waiting", "Messages that were not sent yet.", value=len(unsent))
    oldest = min((item.queued_at for item in unsent), default=None)
    age = (look.now - oldest).total_seconds() if oldest else 0
    yield GaugeMetricFamily("sluice_messages_oldest_seconds", "How long the oldest of them waits.", value=age)
    if look.looked_at is not None:
        yield GaugeMetricFamily(
            "sluice_last_look_timestamp_seconds", "When what is wrong was last looked for.",
            value=look.looked_at.timestamp(),
        )  # fmt: skip
    loads = int(look.read.project is not None and not look.read.problems)
    yield GaugeMetricFamily("sluice_project_loads", "1 where the project loads.", value=loads)
