"""Optimizers, one file each; `zoo/catalog.py` has their names."""
