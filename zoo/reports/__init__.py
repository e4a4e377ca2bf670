"""What a person sees: drawn from records and nothing else."""
