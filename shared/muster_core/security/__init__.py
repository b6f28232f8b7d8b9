"""What keeps secrets secret, and connections within the addresses they may reach."""
