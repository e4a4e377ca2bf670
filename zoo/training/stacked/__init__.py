"""Many seeds of one model trained as one."""
