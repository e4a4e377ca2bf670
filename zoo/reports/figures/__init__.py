"""Draw the figures of a report as SVG."""
