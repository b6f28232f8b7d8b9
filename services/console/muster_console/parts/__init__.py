"""The parts one machine needs, as supervised children: PostgreSQL, Valkey, the engine, the services."""
