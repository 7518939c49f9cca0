"""Monte-Carlo dropout that stays in an artifact: the traced function and what it returns."""
