# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/evalstream
ENV PATH=/opt/evalstream/bin:$PATH
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY evaluators evaluators
COPY drift drift
COPY sinks sinks
COPY streams streams
# EXTRAS=postgres,embeddings adds sentence embeddings (with torch) to the judge worker
ARG EXTRAS=postgres
RUN pip install ".[${EXTRAS}]"

FROM python:3.12-slim
ENV PATH=/opt/evalstream/bin:$PATH PYTHONUNBUFFERED=1 EVALSTREAM_DATA=/var/lib/evalstream
RUN useradd --system --uid 10001 --home-dir /var/lib/evalstream --create-home evalstream
COPY --from=build /opt/evalstream /opt/evalstream
USER 10001
WORKDIR /var/lib/evalstream
ENTRYPOINT ["evalstream"]
CMD ["--help"]
# EVALSTREAM_COMPONENT names the worker that runs here; without it, all four are looked at
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=4 \
    CMD ["sh", "-c", "exec evalstream status --heartbeat ${EVALSTREAM_COMPONENT:+--component $EVALSTREAM_COMPONENT}"]
