"""Recompute runs and comparisons, and report differences from their records."""
