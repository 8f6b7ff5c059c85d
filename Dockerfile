# Paywright's one image: web server, worker, beat and migration differ by their command only.

FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/paywright/venv
COPY requirements/base.txt /tmp/base.txt
# Wheels only: nothing of what is installed may run code of its own at build time.
RUN /opt/paywright/venv/bin/pip install --require-hashes --only-binary :all: -r /tmp/base.txt
WORKDIR /opt/paywright/app
COPY . .
RUN /opt/paywright/venv/bin/python scripts/with_throwaway_environment.py \
        /opt/paywright/venv/bin/python manage.py collectstatic --noinput \
    && rm -r scripts requirements

FROM python:3.12-slim
# pip has no work left to do here.
RUN python -m pip uninstall -y pip \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin paywright \
    && install -d -o paywright -m 0700 /run/paywright-metrics
COPY --from=build /opt/paywright /opt/paywright
WORKDIR /opt/paywright/app
USER paywright
ENV PATH=/opt/paywright/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=settings.production \
    PAYWRIGHT_WEB_HOST=0.0.0.0 \
    PROMETHEUS_MULTIPROC_DIR=/run/paywright-metrics
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PAYWRIGHT_WEB_PORT', '8000') + '/healthz', timeout=4)"]
CMD ["python", "-m", "settings.serve"]
