"""Runs and comparisons computed again, and what differs."""
