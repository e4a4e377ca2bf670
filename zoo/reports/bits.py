"""Show losses as bits a byte, by which comparisons with different tokens can be laid side by side."""

from zoo.experiments.judge.comparison import Comparison
from zoo.experiments.judge.rows import ModelRow
from zoo.experiments.judge.verdict import list_some
from zoo.reports.numbers import half_width


def show_bits_per_byte(comparison: Comparison, row: ModelRow) -> str:
    """Show the mean test loss of a model in bits a byte, with its interval; "" where it is unknown."""
    mean = comparison.bits_per_byte(row.test.mean) if row.test else None
    if mean is None:
        return ""
    reach = half_width(row.test)
    half = None if reach is None else comparison.bits_per_byte(reach)
    return f"{mean:.4f}" + (f" ± {half:.4f}" if half is not None else "")


def list_bits_per_byte(comparison: Comparison) -> list[str]:
    """List the test losses of all models in bits a byte, on one line; nothing where they are unknown."""
    found = [f"{row.label} {shown}" for row in comparison.models if (shown := show_bits_per_byte(comparison, row))]
    return [f"bits a byte: {list_some(found)}"] if found else []
