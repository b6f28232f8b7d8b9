"""When things are due: the system schedule and a segment's own."""
