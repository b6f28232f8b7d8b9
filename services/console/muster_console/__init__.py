"""The operator's side: the muster command line and the embedded parts of muster up."""
