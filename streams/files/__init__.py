"""The same work without Kafka: traces and measurements from files."""
