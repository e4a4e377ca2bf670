"""Turn recorded losses into a verdict with its uncertainty. Imports no torch."""
