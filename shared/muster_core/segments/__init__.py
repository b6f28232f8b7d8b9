"""What a segment is and the states it can be in."""
