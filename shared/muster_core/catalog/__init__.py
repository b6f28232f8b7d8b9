"""Tables, keys, time columns and relationships a workspace declares."""
