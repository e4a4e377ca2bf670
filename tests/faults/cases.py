"""The commands to kill: every registered model under every optimizer, schedule and way of execution.

Budgets, types, rows, grids and splits take turns, so each occurs.
"""

import importlib.util
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.faults.commands import COMMON, EXAMPLES
from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.experiments.runs.model import find_model
from zoo.models.interface import is_counted
from zoo.probes.flops import FlopCounter
from zoo.training.stacked.stackable import DRAWS, why_not_stacked

OPTIMIZERS = ("adamw", "sgd", "muon")
SCHEDULES = ("cosine", "constant", "step", "wsd")
WAYS = ("sequential", "side-by-side", "stacked")
BUDGETS = ("steps", "tokens", "flops")
KINDS = (
    [],
    ["--dtype", "bfloat16"],
    ["--set", "rows=windows"],
    ["--lr-grid", "0.01,0.03"],
    ["--splits", "3"],
)
STEPS, TARGETS, WIDTH = 50, {"whole": 48, "windows": 8}, 8
MINE = '''
import torch
from torch import nn
from zoo import SequenceModel

class Mine(SequenceModel):
    """Draws noise, counts its batches in a buffer that no file has, and normalises by batches."""

    def __init__(self, config, *, vocab_size, context):
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table, self.norm = nn.Embedding(vocab_size, 8), nn.BatchNorm1d(8)
        self.out = nn.Linear(8, vocab_size)
        self.register_buffer("batches", torch.zeros(()), persistent=False)

    def forward(self, tokens):
        x = self.table(tokens)
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        if self.training:
            self.batches += 1
            x = x + torch.randn_like(x) / self.batches.sqrt()
        return self.out(x)
'''
"""A model in a file of one's own, whose training is a matter of more than its weights."""


@dataclass(frozen=True)
class Case:
    """A command, and the files that it needs."""

    row: str
    name: str
    words: list[str]
    files: dict[str, str] = field(default_factory=dict)


def list_models() -> Iterator[str]:
    """Yield every trained built-in model, small, with dropout if any; the examples; and a model in a user's file."""
    for name in MODELS.names():
        if is_counted(MODELS.get(name)):
            continue
        kind = MODELS.get(name).Config
        options = {"dropout": "0.2"} if "dropout" in kind.model_fields else {}
        if kind.scales_with:
            options[kind.scales_with] = str(WIDTH)
        yield name + (f"({','.join(f'{key}={value}' for key, value in options.items())})" if options else "")
    yield f"{EXAMPLES}/plugin/min_lstm.py:MinLSTM(channels={WIDTH})"
    if importlib.util.find_spec("transformers"):
        yield f"{EXAMPLES}/gpt2.py:GPT2(width={WIDTH})"
    yield "./mine.py:Mine"


def list_cases(models: Iterable[str] = ()) -> dict[str, Case]:
    """Name -> case, for every model (or these), optimizer, schedule and way."""
    cases, numbers = {}, itertools.count()
    for model in models or list_models():
        short = model.rpartition(":")[2].partition("(")[0]
        step_flops, stackable = inspect_model(model) if not model.startswith("./") else (0, True)
        ways = WAYS if stackable else WAYS[:-1]
        for optimizer, schedule, way in itertools.product(OPTIMIZERS, SCHEDULES, ways):
            number = next(numbers)
            kind = KINDS[number % len(KINDS)]
            budget = BUDGETS[(number // 3 + number // 9) % len(BUDGETS)]
            if budget == "flops" and not step_flops:  # a model without products
                budget = "tokens"
            targets = TARGETS["windows" if "rows=windows" in kind else "whole"]
            amount = STEPS * {"steps": 1, "tokens": targets, "flops": step_flops}[budget]
            settings = {"optimizer": optimizer, "schedule": schedule, "execution": way}
            words = ["compare", "--models", model, "--seeds", "2", f"--{budget}", str(amount), *kind, *COMMON]
            words += ["--lr", "0.1"] if optimizer.startswith("sgd") and "--lr-grid" not in kind else []
            words += [word for pair in settings.items() for word in ("--set", "=".join(pair))]
            name = " ".join([short, optimizer, schedule, way, budget, *kind[-2:]])
            cases[name] = Case(short, name, words, {"mine.py": MINE})
    return cases


def inspect_model(call: str) -> tuple[int, bool]:
    """Approximate FLOPs of a training step (0 without products), and whether its seeds can be stacked."""
    found = find_model(parse_call(call), vocab_size=7, context=8)
    flops = FlopCounter(found.build(seed=1), "packed").total(Counter({(8, 6, 48): 1}), backward=True)
    return int(flops), why_not_stacked(found.build, ["packed"]) in (None, DRAWS)
