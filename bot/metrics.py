"""What Prometheus may ask: a few counts, read from the rows at that moment. No name, no id, nothing secret."""

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from storage.counts import counts
from storage.database import Database


def exposition(database: Database) -> tuple[bytes, str]:
    """The counts in Prometheus's text format, and its content type. `StorageError` when the database is away."""
    registry = CollectorRegistry()
    with database.reading() as session:
        found = counts(session)
    for name, (meaning, by_label) in found.items():
        gauge = Gauge(f"rekey_{name}", meaning, ["state"], registry=registry)
        for state, number in by_label.items():
            gauge.labels(state=state).set(number)
    return generate_latest(registry), CONTENT_TYPE_LATEST
