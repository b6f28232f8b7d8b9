"""What pages are made of: a table, chips, dialogs, live parts."""
