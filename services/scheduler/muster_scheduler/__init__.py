"""The beat scheduler: plans due runs, reaps lost leases, sends hints."""
