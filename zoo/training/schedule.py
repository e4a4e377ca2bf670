"""Learning-rate schedules: functions of the spent share of the budget."""

import math

DECAY = 0.2
"""Fraction of a `wsd` run during which the rate falls."""
RISE = 25.0
"""The first rate of `one-cycle` is its peak divided by this number."""


def learning_rate(share: float, *, peak: float, schedule: str, warmup: float, total: float = 1.0) -> float:
    """Return the rate after `share` of `total`: a linear rise until `warmup`, then the schedule.

    `cosine` falls to a hundredth of the peak, `linear` along a line to 0, `constant` stays there, `step` drops to a
    tenth after three quarters of the run, as in the lecture. `wsd`, warm-up-stable-decay (Hu et al. 2024, section 4),
    stays at the peak until the last fifth, then falls to 0 as 1 - sqrt(fraction of that fifth) (Hägele et al. 2024,
    section 4).

    `one-cycle` (Smith 2018, section 4: one cycle of the rate, then orders of magnitude below its start) rises along a
    line from 1/25 of the peak, and falls along half a cosine to 0. A warm-up of 0.3 is usual; momentum stays constant.
    """
    if share < warmup:
        lowest = 1 / RISE if schedule == "one-cycle" else 0.0
        return peak * (lowest + (1 - lowest) * share / warmup) if lowest else peak * share / warmup
    if schedule == "constant":
        return peak
    if schedule == "step":
        return peak if share < 0.75 * total else 0.1 * peak
    if schedule == "wsd":
        return peak * (1 - math.sqrt(max(0.0, share - stable_part(total)) / (DECAY * total)))
    progress = (share - warmup) / (total - warmup)
    if schedule == "linear":
        return peak * (1 - progress)
    falling = 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (falling if schedule == "one-cycle" else 0.01 + 0.99 * falling)


def stable_part(total: float) -> float:
    """Return the part of `total` of a `wsd` run before its rate falls."""
    return (1 - DECAY) * total
