"""The two numbers that every part agrees on."""

BOUNDARY = 0
"""The token before the start and after the end of a document; every vocabulary has it at 0."""

IGNORED = -100
"""A target that is not scored (padding after the end of a row)."""
