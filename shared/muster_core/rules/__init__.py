"""The rule language: documents, checks and their canonical form."""
