"""Compute the fingerprint and the name of a run."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import torch

from zoo.config import RunConfig, TrainingConfig, as_json
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.run import DIGESTS, GRID_FOLDER, SEARCH_FOLDER, Recorded
from zoo.experiments.runs.budget import row_length
from zoo.experiments.runs.model import ResolvedModel
from zoo.models.recipes import FORMER

COUNTED_ELSEWHERE = {
    *("steps", "tokens", "seconds", "flops", "rows", "length", "device", "threads", "execution", "checkpoint_every"),
    "watch",
}
"""Fields of `TrainingConfig` that the fingerprint has in another form, or that do not affect numbers."""

OLDER = {"lr", "weight_decay", "warmup"}
"""Fields of a recipe when records did not hold it yet."""


def fingerprint_run(
    recorded: Recorded, model: ResolvedModel, *, torch: str, device: str, arithmetic: Sequence[str]
) -> str:
    """Return the fingerprint of everything in a run that can change a number.

    Other settings of training count only if they differ from their defaults, so that new settings do not change older
    fingerprints. Older records, whose sources were digested as files, have `score_train` instead.

    Args:
        torch: version of torch.
        device: as `device_name` returns it.
        arithmetic: torch's settings, as in `environment.json`.
    """
    config, data, settings = recorded.run, recorded.data, recorded.settings
    usual, named = as_json(TrainingConfig()), COUNTED_ELSEWHERE | set(settings)
    others = {key: value for key, value in as_json(config.training).items() if key not in named and value != usual[key]}
    beside: dict[str, object] = {"training": others}
    if recorded.digests != DIGESTS:  # an older record
        beside = {"score_train": config.training.score_train}
    return fingerprint(
        {
            "class": model.kind.__qualname__,
            "model": as_json(model.options),
            **_recipes(recorded, model),
            "context": config.context,
            "length": row_length(config) if data.is_stream else None,
            "seed": config.seed,
            "trial": config.trial,
            **({"prune_above": config.prune_above} if config.prune_above else {}),
            "settings": settings,
            **beside,
            **({"start": config.start.sha256} if config.start else {}),
            **{key: seed for key in ("weights_seed", "data_seed") if (seed := getattr(config, key)) is not None},
            "data": [data.digest, config.data.tokens, data.floor],
            **({"tokenizer": data.tokenizer} if data.tokenizer else {}),
            "source": recorded.model_source,
            "harness": recorded.harness,
            **({"optimizer": recorded.optimizer_source} if recorded.optimizer_source else {}),
            "torch": torch,
            "device": device,
            "threads": config.training.threads,
            "arithmetic": list(arithmetic),
            "execution": {"stacked": config.stack} if config.stack else "sequential",  # side by side changes nothing
        }
    )


def _recipes(recorded: Recorded, model: ResolvedModel) -> dict[str, Any]:
    """Return the model's recipes, or for an older record the one of its time as it was then."""
    if recorded.recipe is not None:
        return {"recipes": [as_json(recipe) for recipe in model.recipes]}
    return {"recipe": FORMER.get(recorded.run.model.name, model.recipes[0]).model_dump(include=OLDER)}


def run_name(config: RunConfig, fingerprint: str) -> str:
    """Return the name of a run's directory."""
    number, of = config.data.turn
    split = f"-split{number}of{of}" if number > 1 else ""
    return f"{file_name(config.label)}{split}-seed{config.seed}-{fingerprint}"


def trial_folder(config: RunConfig) -> str:
    """Return the folder of a run within its study's: that of trials of a grid or of a search; "" for reported runs."""
    if not config.trial:
        return ""
    return SEARCH_FOLDER if config.searched else GRID_FOLDER


def file_name(text: str) -> str:
    """Make a file name of `text`: replace unsafe characters, shorten it, and add a digest if this changed it."""
    safe = re.sub(r"[^\w.=,()+-]+", "-", text).strip("-.")[:80]
    return safe if safe == text else f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:4]}"


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or the CPU's instruction set, because rounding depends on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
