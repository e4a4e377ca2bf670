"""The flags that commands share: what they take, and what each means."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import click

SETTINGS = """Another setting: optimizer=sgd, schedule=constant|step, weight_decay, warmup, clip, evaluations,
rows=windows, score_train."""


def seed_value(text: str) -> int:
    """A whole number from 0 that torch takes as a seed."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise click.BadParameter(f"'{text}' is not a whole number from 0 to 2^63 - 1.")
    return int(text)


def not_negative(text: str) -> float:
    """A finite number of 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise click.BadParameter(f"'{text}' is not a number of 0 or more.")
    return number


def positive(text: str) -> float:
    """A finite number greater than 0."""
    number = not_negative(text)
    if not number:
        raise click.BadParameter("0 is not greater than 0.")
    return number


def share(text: str) -> float:
    """A number above 0 and up to 1."""
    number = positive(text)
    if number > 1:
        raise click.BadParameter(f"'{text}' is not a share, above 0 and up to 1.")
    return number


def tokens_value(text: str) -> str | int:
    """`--tokens bytes` says what a token is, `--tokens 6.4M` is a budget."""
    kind = {"chars": "characters", "characters": "characters", "bytes": "bytes"}.get(text.lower())
    if kind:
        return kind
    count = _number(text)
    if not 1 <= count < math.inf:
        raise click.BadParameter(f"'{text}' is neither a number of tokens (6400000, 6.4M) nor characters or bytes.")
    return round(count)


def split_value(text: str) -> str:
    """`--split test` is one of the splits, `--split 90/10/0` says how to make them."""
    if "/" not in text and text not in ("train", "validation", "test"):
        raise click.BadParameter(f"'{text}' is neither train, validation nor test, nor shares such as 90/10/0.")
    return text


def large(text: str) -> float:
    """A finite number greater than 0, such as 2e12, 2T or 76k."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise click.BadParameter(f"'{text}' is not a number greater than 0, such as 2e12, 2T or 76k.")
    return number


def rates(text: str) -> list[float]:
    """At least two different learning rates, from the lowest."""
    grid = sorted({positive(part) for part in text.split(",")})
    if len(grid) < 2:
        raise click.BadParameter(f"'{text}' is no grid: give at least two learning rates, such as 1e-3,3e-3,1e-2.")
    return grid


def match_value(text: str) -> tuple[str, float | int]:
    """`parameters=76k` or `flops=150k`."""
    kind, equals, size = text.partition("=")
    if not equals or kind not in ("parameters", "flops"):
        raise click.BadParameter(f"'{text}' is not written as parameters=76k or flops=150k.")
    return kind, round(large(size)) if kind == "parameters" else large(size)


def _number(text: str) -> float:
    """A number with or without k, M, G or T; NaN where it is none."""
    factor = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}.get(text[-1:].lower(), 1.0)
    try:
        return float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        return math.nan


TEXT_OPTIONS = [
    click.option("--data", metavar="NAME|PATH|-", help="Corpus, file, directory of text, or - for standard input."),
    click.option(
        "--documents", type=click.Choice(["auto", "line", "none"]), help="One document a line, or one stream."
    ),
    click.option(
        "--tokens",
        type=tokens_value,
        multiple=True,
        metavar="characters|bytes|COUNT",
        help="What a token is; or, a number such as 6.4M, the budget in target tokens.",
    ),
    click.option("--split-seed", type=seed_value, metavar="INTEGER", help="Seed of the shuffle before the split. [42]"),
    click.option("--dedupe", is_flag=True, default=None, help="Remove documents that stand in an earlier split too."),
]
TRAINING_OPTIONS = [
    *TEXT_OPTIONS,
    click.option("--split", metavar="A/B/C", help="Percent of training/validation/test. [80/10/10]"),
    click.option("--steps", type=click.IntRange(1), help="Budget in steps; or --tokens, --seconds, --flops. [1000]"),
    click.option("--seconds", type=positive, metavar="FLOAT", help="Budget in seconds of training."),
    click.option("--flops", type=large, metavar="NUMBER", help="Budget in FLOPs of training, such as 2e12 or 2T."),
    click.option("--context", type=click.IntRange(1), help="How many tokens back mlp and the wavenets look. [8]"),
    click.option("--length", type=click.IntRange(1), help="Tokens of a training row of a stream. [64]"),
    click.option("--batch-size", type=click.IntRange(1), help="Rows a step. [128]"),
    click.option("--lr", type=positive, metavar="FLOAT", help="Learning rate for all. [each model's recipe]"),
    click.option(
        "--lr-grid",
        type=rates,
        metavar="A,B,...",
        help="Train each model at each rate under one extra seed; the best on validation is taken.",
    ),
    click.option(
        "--match",
        type=match_value,
        metavar="parameters=76k|flops=150k",
        help="Scale every model to one size: parameters, or FLOPs of training a token.",
    ),
    click.option("--device", help="auto, cpu, cuda, cuda:1. [auto]"),
    click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="bfloat16: autocast. [float32]"),
    click.option("--threads", type=click.IntRange(1), help="CPU threads of a run. [what a probe finds best]"),
    click.option("--compile", is_flag=True, default=None, help="torch.compile the models; the seconds count."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SETTINGS),
    click.option("--out", default="runs", show_default=True, type=click.Path(), help="Where runs are kept."),
    click.option("--fresh", is_flag=True, help="Train everything anew, beside what is there."),
    click.option("--dry-run", is_flag=True, help="Say what would be trained, how big, and about how long."),
    click.option("--print-config", is_flag=True, help="Print the whole study; as a file it runs the same."),
    click.option("--bits", is_flag=True, help="Losses of the table in bits instead of nats."),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
]


def with_options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Several options as one decorator, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
