"""What runs inside the engine's tasks: Arrow batches in, Arrow batches out.

Nothing here imports pyspark, so a fresh Python worker of the engine is ready in a fraction of a second.
"""
