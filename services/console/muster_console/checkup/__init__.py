"""What `muster doctor` looks at: one module for each part, each check a function that returns findings."""
