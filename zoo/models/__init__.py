"""Architectures, one file each, behind the interface in `interface.py`."""
