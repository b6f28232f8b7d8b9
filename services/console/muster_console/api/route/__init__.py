"""What the API offers, one module per thing."""
