"""How every client of ours connects to Kafka, and what is said when it cannot."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from schemas.errors import ConfigError, EvalstreamError, Unavailable
from schemas.settings import KafkaSettings

ASK_MS = 5000
REFUSED = ("SaslAuthenticationFailed", "AuthenticationFailedError")
NOT_OFFERED = ("UnsupportedSaslMechanismError", "IllegalSaslStateError", "AuthenticationMethodNotSupported")


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share.

    Raises
    ------
    ConfigError : no broker is named, certificates cannot be read, or SASL lacks its user or password.
    """
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
        options["sasl_plain_username"], options["sasl_plain_password"] = sasl_user(settings)
    return options


def sasl_user(settings: KafkaSettings) -> tuple[str, str]:
    """User and password for SASL."""
    if not settings.sasl_username:
        raise ConfigError(f"{settings.security_protocol} needs a user: KAFKA_SASL_USERNAME", path="kafka.sasl_username")
    if settings.sasl_password is None:
        raise ConfigError(
            f"{settings.security_protocol} needs a password: KAFKA_SASL_PASSWORD", path="kafka.sasl_password"
        )
    return settings.sasl_username, settings.sasl_password.get_secret_value()


def ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    """The TLS context for the configured certificates; the broker's name must be the one in its certificate."""
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{settings.ssl_cafile} cannot be read: {_said(error)}", path="kafka.ssl_cafile") from None
    if settings.ssl_certfile:
        try:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, password=_key_password(settings))
        except (OSError, ssl.SSLError) as error:
            files = " and ".join(file for file in (settings.ssl_certfile, settings.ssl_keyfile) if file)
            raise ConfigError(f"{files} cannot be used: {_said(error)}", path="kafka.ssl_certfile") from None
    return context


async def why_no_answer(settings: KafkaSettings, error: BaseException) -> EvalstreamError:
    """What to raise when a client could not connect.

    aiokafka tells of a broker that refuses a password as of one that is away, so each broker is asked once more by hand.

    Returns
    -------
    ConfigError : a broker answers and refuses us, or cannot be trusted: waiting would not help.
    Unavailable : no broker answers.
    """
    from aiokafka.conn import collect_hosts

    options = client_options(settings)
    hints = []
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        found = await _ask(settings, host, port, options)
        if isinstance(found, ConfigError):
            return found
        hints.append(found)
    hint = next((f" ({found})" for found in hints if found), f": {error}" if str(error) else "")
    return Unavailable(f"no broker answers at {settings.bootstrap_servers}{hint}")


async def _ask(settings: KafkaSettings, host: str, port: int, options: dict[str, Any]) -> ConfigError | str:
    """What is wrong for sure, or a hint, or nothing."""
    from aiokafka.conn import create_conn
    from aiokafka.errors import KafkaConnectionError, KafkaError
    from aiokafka.protocol.metadata import MetadataRequest

    try:
        async with asyncio.timeout(ASK_MS / 1000):
            connection = await create_conn(host, port, request_timeout_ms=ASK_MS, **options)
            try:
                await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except ssl.SSLCertVerificationError as error:
        return ConfigError(
            f"the certificate of {host}:{port} is not accepted: {error.verify_message}", path="kafka.ssl_cafile"
        )
    except KafkaConnectionError as error:
        return _hint(settings, host, port, error.__cause__ or error)
    except KafkaError as error:
        return _refused(settings, host, port, error)
    except (OSError, TimeoutError) as error:
        return _hint(settings, host, port, error)
    return ""


def _hint(settings: KafkaSettings, host: str, port: int, error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"{host}:{port} refuses connections"
    if isinstance(error, ssl.SSLError):
        wanted = "another client certificate" if settings.ssl_certfile else "a client certificate (kafka.ssl_certfile)"
        return f"TLS with {host}:{port} failed: {_said(error)}; does it speak TLS, and want {wanted}?"
    if isinstance(error, TimeoutError):
        return f"{host}:{port} does not answer"
    if isinstance(error, socket.gaierror):
        return f"{host} is no known host"
    return f"{host}:{port} ends the connection: does it speak {settings.security_protocol}?"


def _refused(settings: KafkaSettings, host: str, port: int, error: Exception) -> ConfigError | str:
    name = type(error).__name__
    if name in REFUSED:
        return ConfigError(
            f"{host}:{port} refuses the user {settings.sasl_username!r} ({settings.sasl_mechanism}): look at "
            "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
            path="kafka.sasl_password",
        )
    if name in NOT_OFFERED:
        return ConfigError(f"{host}:{port} does not offer {settings.sasl_mechanism}", path="kafka.sasl_mechanism")
    return f"{host}:{port}: {name}"


def _key_password(settings: KafkaSettings) -> str:
    """Never asked for on a terminal: without a password OpenSSL would."""
    return settings.ssl_key_password.get_secret_value() if settings.ssl_key_password else ""


def _said(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    return str(reason).replace("_", " ").lower()
