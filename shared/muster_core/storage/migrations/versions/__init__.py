"""One module per schema change, and the SQL it runs."""
