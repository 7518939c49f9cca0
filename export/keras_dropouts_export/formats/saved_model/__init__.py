"""Writes, audits and runs SavedModel folders."""
