# Scheduler, exporter and the command line: no Spark, no Java.
# Build from the checkout: docker build -f infra/service.Dockerfile .
FROM python:3.11-slim

# Versions and markers are those of the lock; a local project has no hash, so the hashes are left out here.
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
COPY shared ./shared
COPY services ./services
RUN grep -oE '^[a-z0-9._-]+==[^\\]+' requirements.txt > versions.txt \
    && pip install --no-cache-dir --constraint versions.txt . \
    && useradd --create-home --uid 10001 muster \
    && install -d -o muster /lake /exports

USER muster
WORKDIR /home/muster
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]
