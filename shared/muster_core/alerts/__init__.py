"""What people are told: alerts, and how a receiver knows that they come from here."""
