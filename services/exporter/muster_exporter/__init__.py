"""The exporter: delivers published memberships to their destinations."""
