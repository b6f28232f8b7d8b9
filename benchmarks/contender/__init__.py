"""The contenders: each counts the members of the same segments from the same files."""
