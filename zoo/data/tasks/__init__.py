"""Tasks whose best possible loss is known, one file each."""
