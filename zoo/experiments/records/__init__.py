"""What a run and a comparison leave behind, and what makes two runs the same."""
