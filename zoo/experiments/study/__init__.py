"""What a comparison is asked to be: declared, parsed, checked."""
