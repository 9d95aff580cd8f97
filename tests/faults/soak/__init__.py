"""The soak: a month of three agents at full speed, with faults that a seed chooses."""
