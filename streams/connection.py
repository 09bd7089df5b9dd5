"""How every client of ours connects to Kafka."""

from __future__ import annotations

import ssl
from typing import Any

from schemas.errors import ConfigError
from schemas.settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share."""
    if not settings.bootstrap_servers:
        raise ConfigError("no broker is named; set KAFKA_BOOTSTRAP_SERVERS", path="kafka.bootstrap_servers")
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": "evalstream",
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return options


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """The TLS context for the configured certificates."""
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
        if settings.ssl_certfile:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the TLS certificates cannot be read: {error}", path="kafka.ssl_cafile") from error
    return context
