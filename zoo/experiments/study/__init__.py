"""Declare a comparison: its settings, their parsing and validation."""
