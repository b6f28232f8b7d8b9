"""The web console: pages over the functions of `muster_console.operation`, served beside the REST API.

Only the console process imports this package: NiceGUI is too slow to load for a command.
"""
