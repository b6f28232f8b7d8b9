# Master and workers of the Spark cluster: Spark, Java and the third-party packages the tasks import, none of
# Muster's code. Its Python is the engine image's, so that a task runs there as it would in the worker.
# Build from the checkout: docker build -f infra/executor.Dockerfile .
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.txt infra/executor-requirements.txt ./
RUN python -m venv /opt/muster
RUN grep -oE '^[a-z0-9._-]+==[^\\]+' requirements.txt > versions.txt \
    && /opt/muster/bin/pip install --no-cache-dir --constraint versions.txt --requirement executor-requirements.txt

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 muster \
    && install -d -o muster /lake /node
COPY --from=build /opt/muster /opt/muster
COPY infra/spark_node.py /opt/muster/spark_node.py
USER muster
WORKDIR /home/muster
ENV PATH=/opt/muster/bin:$PATH PYTHONUNBUFFERED=1
HEALTHCHECK --interval=5s --timeout=5s --retries=30 \
    CMD ["python", "-c", "import os, socket; socket.create_connection((os.environ['NODE_HOST'], int(os.environ['NODE_PORT'])), 3)"]
ENTRYPOINT ["python", "/opt/muster/spark_node.py"]
