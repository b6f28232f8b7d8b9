"""Documents as people write them, YAML or JSON: read exactly, with the line of every field."""
