"""What runs a list of cells: processes of this machine, or a Ray cluster."""
