# Scheduler, exporter and the command line: no Spark, no Java.
# Build from the checkout: docker build -f infra/service.Dockerfile .
FROM python:3.11-slim AS build
# Versions and markers are those of the lock; a local project has no hash, so the hashes are left out here.
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
COPY shared ./shared
COPY services ./services
RUN python -m venv /opt/muster
RUN grep -oE '^[a-z0-9._-]+==[^\\]+' requirements.txt > versions.txt \
    && /opt/muster/bin/pip install --no-cache-dir --constraint versions.txt .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 muster && install -d -o muster /lake /exports
COPY --from=build /opt/muster /opt/muster
USER muster
WORKDIR /home/muster
ENV PATH=/opt/muster/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]
