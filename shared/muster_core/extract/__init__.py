"""Tables that live in PostgreSQL: how they are declared, what their columns become, where their files are."""
