"""Format numbers for page, document and figures."""

import math

from markupsafe import Markup

from zoo.experiments.judge.rows import Interval, PairRow, Used
from zoo.experiments.records.study import Cost


def loss(value: float | None, *, signed: bool = False, digits: int = 4) -> str:
    """Format a loss or difference: 1.9642, or −0.0102."""
    if value is None:
        return ""
    written = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return written.replace("-", "−")


def switched(value: float | None, *, signed: bool = False) -> Markup:
    """Format a loss for the page, whose script can convert it to bits."""
    if value is None:
        return Markup()
    sign = Markup(" data-signed") if signed else ""
    return Markup('<span data-nats="{}"{}>{}</span>').format(f"{value:.9g}", sign, loss(value, signed=signed))


def half_width(interval: Interval | PairRow | None) -> float | None:
    """Half the width of an interval, of a mean or of a difference."""
    if interval is None or interval.low is None or interval.high is None:
        return None
    return (interval.high - interval.low) / 2


def write_reach(mean: float, low: float | None, high: float | None, digits: int = 4, *, signed: bool = False) -> str:
    """The interval after a mean, for a terminal: ±0.0102, or both ends where it is not even; empty without one."""
    if low is None or high is None:
        return ""
    above, below, sign = high - mean, mean - low, "+" if signed else ""
    if abs(above - below) <= 1e-6 * (above + below):
        return f"±{above:.{digits}f}"
    return f" ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"


def write_interval(pair: PairRow, digits: int = 4) -> str:
    """The interval of a pair: −0.0102 to −0.0031; empty without one."""
    low, high = pair.interval
    return "" if low is None else f"{loss(low, signed=True, digits=digits)} to {loss(high, signed=True, digits=digits)}"


def share(value: float) -> str:
    """A share in percent: 99.9%, 3.1%; 100% only if nothing is missing."""
    if value < 1 and round(100 * value, 1) >= 100:
        return ">99.9%"
    return f"{100 * value:.1f}%" if value < 1 else "100%"


def short(number: float | None) -> str:
    """Format a number with two or three digits and a letter: 412, 9.8k, 151k, 6.4M."""
    if number is None:
        return ""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            return f"{_three(max(number / size, 1.0))}{letter}"
    return _three(number) if number else "0"


def plain(number: float) -> str:
    """Format a number of an axis: 0.01, 50, 10k."""
    return short(number).replace(".0", "") if number >= 1000 else f"{number:g}"


def storage(number: float | None) -> str:
    """Format bytes: 512 B, 9.8 kB, 151 MB."""
    if number is None:
        return ""
    written = short(number).replace("G", " G").replace("M", " M").replace("k", " k").replace("T", " T")
    return f"{written}B" if " " in written else f"{written} B"


def format_flops(counted: Used | Cost | None) -> str:
    """Format FLOPs of a run, or of a target token: 2.1M; ≥ 2.1M if some are uncounted, ≈ 2.1M if they are fitted."""
    if counted is None:
        return ""
    number = counted.flops if isinstance(counted, Used) else counted.flops_training
    sign = "≥ " if counted.flops_uncounted else "≈ " if counted.flops_fitted else ""
    return sign + short(number) if number is not None else ""


def percent(share: float) -> str:
    """Format a signed share: +1.2%."""
    return f"{100 * share:+.1f}%".replace("-", "−")


def field(tokens: int | None) -> str:
    """Format a receptive field; "all" for no bound."""
    return "all" if tokens is None else f"{tokens:,}"


def _three(number: float) -> str:
    if number <= 0 or not math.isfinite(number):
        return f"{number:g}"
    return f"{number:.{max(0, 1 - math.floor(math.log10(number) + 1e-9))}f}"
