"""Files of gigabytes: read in pieces, stored on disk as tokens, never shuffled in memory."""
