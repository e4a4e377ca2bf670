"""Reserved numbers of tokens and targets."""

BOUNDARY = 0
"""Token before the start and after the end of a document; 0 in every vocabulary."""

IGNORED = -100
"""Target that is not scored (padding after the end of a row)."""
