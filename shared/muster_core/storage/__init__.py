"""The control database: tables, migrations and queries."""
