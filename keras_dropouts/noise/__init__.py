"""Random numbers as layers ask for them, and the dropout masks that are made of them."""
