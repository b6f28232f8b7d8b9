"""The REST API: the same operations as the command line, for programs elsewhere."""
