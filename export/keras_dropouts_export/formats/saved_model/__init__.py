"""The SavedModel format: written by TensorFlow, audited by function, and run again."""
