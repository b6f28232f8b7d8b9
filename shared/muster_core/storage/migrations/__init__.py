"""The history of the control database's schema; `muster_core.storage.migrate` applies it."""
