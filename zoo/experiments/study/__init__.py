"""A comparison as it is declared: its settings, how they are parsed and checked."""
