"""From recorded losses to a verdict with its uncertainty. Imports no torch."""
