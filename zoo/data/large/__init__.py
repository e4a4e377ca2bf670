"""Large text files: read in pieces and stored on disk as tokens."""
