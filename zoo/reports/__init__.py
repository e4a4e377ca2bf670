"""Tables, pages and figures, drawn from records and nothing else."""
