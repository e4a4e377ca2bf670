"""Draw tables, pages and figures, from records alone."""
