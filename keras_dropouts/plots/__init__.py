"""Draws pictures of dropout with matplotlib: what is dropped now, and rates over the epochs."""
