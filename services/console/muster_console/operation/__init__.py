"""What can be done with Muster, one function a use: commands, and later the API, call these.

Nothing here parses arguments or prints; errors are those of `muster_core.errors`.
"""
