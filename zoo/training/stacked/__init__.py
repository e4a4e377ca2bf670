"""Train many seeds of one model as a single stack."""
