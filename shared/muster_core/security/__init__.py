"""Who may do what, how secrets are kept, and which addresses connections may reach."""
