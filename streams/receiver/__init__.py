"""The OTLP/HTTP receiver: traces over HTTP into the topic `otlp_spans`, as the Collector's Kafka exporter would."""

from streams.receiver.serve import run_receiver
from streams.receiver.server import Receiver

__all__ = ["Receiver", "run_receiver"]
