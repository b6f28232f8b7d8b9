"""The worker: prepares sources, evaluates due segments as Spark jobs, publishes."""
