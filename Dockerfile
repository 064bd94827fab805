# syntax=docker/dockerfile:1

# What is needed to install stays in this stage.
FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /opt/outcry \
    && /opt/outcry/bin/python -m pip install --require-hashes -r requirements.lock

FROM python:3.12-slim
ENV PATH=/opt/outcry/bin:$PATH \
    PYTHONPATH=/srv/outcry \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OUTCRY_HOST=0.0.0.0 \
    OUTCRY_PORT=8080
RUN groupadd --gid 10001 outcry \
    && useradd --uid 10001 --gid outcry --no-create-home --home-dir /data --shell /usr/sbin/nologin outcry \
    && install --directory --owner outcry --group outcry --mode 0750 /data
COPY --from=build /opt/outcry /opt/outcry
COPY LICENSE alembic.ini /srv/outcry/
COPY alembic /srv/outcry/alembic
COPY app /srv/outcry/app
# By number, so that a host can tell that it is not root without reading the image.
USER 10001:10001
# The embedded database and what the usage writer spills; with PostgreSQL only the latter.
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"OUTCRY_PORT\"]}/health/live', timeout=2)"]
STOPSIGNAL SIGTERM
# It binds every address, so it does not start without OUTCRY_API_KEYS.
CMD ["python", "-m", "app.cli", "serve"]
