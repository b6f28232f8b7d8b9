"""From sources to the customer store: `preparation` does the work, `lease` decides who does it."""
