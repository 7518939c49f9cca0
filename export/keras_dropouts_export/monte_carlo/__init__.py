"""Traces the function of Monte-Carlo samples that an artifact serves."""
