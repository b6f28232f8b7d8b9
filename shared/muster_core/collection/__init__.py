"""Finding what nothing needs any more in the control database and the lake, and removing it."""
