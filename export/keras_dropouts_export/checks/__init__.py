"""What is left in an artifact that must not be served."""
