"""Monte-Carlo dropout inside an artifact."""
