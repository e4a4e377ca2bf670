"""FLOPs and parameters as they are to be believed: at least, about, and what is beside them."""

from zoo.experiments.judge.comparison import ModelRow, Used
from zoo.experiments.records.study import Cost
from zoo.reports.numbers import short

NOTABLE = 0.1
"""Buffers that training changes, from which share of the parameters on they are told. The statistics of BatchNorm are
fewer."""
NAMED = 4
"""Uncounted operations that are named."""


def flops(counted: Used | Cost | None) -> str:
    """Of a run, or of a target token: 2.1M; at least: ≥ 2.1M; about: ≈ 2.1M."""
    if counted is None:
        return ""
    number = counted.flops if isinstance(counted, Used) else counted.flops_training
    sign = "≥ " if counted.flops_uncounted else "≈ " if counted.flops_fitted else ""
    return sign + short(number) if number is not None else ""


def flops_notes(row: ModelRow) -> list[str]:
    """What the FLOPs of a model leave out; where there are none, why."""
    used = row.used
    if used.flops is None and used.flops_uncounted:
        return [f"{row.label}: FLOPs cannot be counted: {used.flops_uncounted[0]}"]
    if used.flops_uncounted:
        first, more = used.flops_uncounted[:NAMED], len(used.flops_uncounted) - NAMED
        names = ", ".join(first) + (f" and {more} more" if more > 0 else "")
        return [f"{row.label}: FLOPs are at least those that were counted, without {names}; seconds say more"]
    if used.flops_fitted:
        return [f"{row.label}: FLOPs are about those that were counted: other rows take more or less"]
    return []


def buffer_notes(row: ModelRow) -> list[str]:
    """What training changes beside the parameters, where that is much."""
    if not row.buffers or row.buffers <= NOTABLE * row.parameters:
        return []
    return [f"{row.label}: training changes {row.buffers:,} numbers beside its parameters"]
