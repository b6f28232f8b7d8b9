"""The Spark engine: its server process and the sessions Muster opens on it."""
