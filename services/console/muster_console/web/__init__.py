"""The web console: pages over the functions of `operation`."""
