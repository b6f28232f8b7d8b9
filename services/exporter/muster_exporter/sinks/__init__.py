"""Where deliveries go, one module a kind of target."""
