"""Files of the store and of memberships, reached through manifests only."""
