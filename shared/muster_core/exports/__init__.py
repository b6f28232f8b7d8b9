"""What an export and a delivery are, and their legal transitions."""
