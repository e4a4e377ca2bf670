"""Continue training: extend a finished run to a larger budget, or start a new run from its weights.

It is the same run if the learning rate does not depend on the budget: a longer run of the same settings then begins
with exactly these steps, and continues from the state that was kept with the run.
"""

import hashlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from zoo.config import BUDGETS, MOST_EVALUATIONS, RunConfig, Start
from zoo.data.corpus import Corpus
from zoo.errors import RunError, UsageError
from zoo.experiments.records.run import WEIGHTS, Run, is_done, is_run, read_run
from zoo.experiments.runs.checkpoints import Checkpoints, read_kept_state
from zoo.experiments.runs.resolve import Cell, resolve_all
from zoo.experiments.runs.working_folder import LOCK, lock
from zoo.regular_file import open_regular
from zoo.training.loop import Settings

FREE = {*BUDGETS, "execution", "checkpoint_every", "watch"}
"""Settings of training in which a longer run may differ."""
BECAME = {
    "finished": "finished",
    "diverged": "diverged",
    "pruned": "was pruned",
    "failed": "failed",
    "refused": "was refused",
}


def describe_as_study(run: Run) -> dict[str, Any]:
    """Return the settings of a run as values of a study, to be overridden."""
    config = run.recorded.run
    training = config.training.model_dump(exclude_none=True, exclude={"execution"})
    return {
        "models": [{"label": config.label, "model": config.model}],
        "data": dict(config.data),
        "training": training,
        "context": config.context,
        "seeds": [config.seed],
        "start": config.start,
    }


def make_start(place: Path) -> Start:
    """Return the weights of a run, or of a safetensors file, as a `Start`.

    Raises:
        RunError: there are no weights.
    """
    if place.suffix == ".safetensors" and place.is_file():
        with open_regular(place) as file:
            return Start(weights=str(place), sha256=hashlib.file_digest(file, "sha256").hexdigest())
    if not is_run(place):
        raise RunError(f"'{place}' is neither a run nor a file of weights (.safetensors).")
    run = read_run(place)
    if run.result.best_step is None or run.result.status not in ("finished", "diverged", "pruned"):
        raise RunError(f"'{place}' has no weights to start from: it {BECAME[run.result.status]}.")
    recorded = run.recorded
    return Start(
        weights=str(place / WEIGHTS),
        sha256=run.result.weights_sha256,
        run=recorded.fingerprint,
        steps=run.result.best_step,
        characters=recorded.data.characters,
        tokenizer=recorded.data.tokenizer,
    )


def explain_new_run(run: Run, config: RunConfig, steps: int | None) -> str:
    """Return why a run of these settings does not begin with the steps of `run`; "" if it does."""
    settings, before = Settings(**run.recorded.settings), run.recorded.run
    if others := list(_name_others(_without_free(before), _without_free(config))):
        return f"another {', '.join(others)}"
    if run.result.status != "finished":
        return f"it {BECAME[run.result.status]}"
    if run.result.solved_at is not None:
        return "it ended when it had solved its task"
    if before.trial:
        return "it was a trial"
    if before.stack:
        return "it was trained in a stack"
    if steps is None or settings.steps is None:
        return "a budget in seconds does not fix the number of steps"
    if settings.common_steps is None:
        return f"the rate of schedule={settings.schedule} depends on the budget"
    return "" if steps > settings.steps else f"{steps:,} steps are not more than the {settings.steps:,} that it has"


def _name_others(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of settings in which two runs differ."""
    for name in dict.fromkeys([*before, *now]):
        if name in ("data", "training"):
            yield from _name_others(before[name], now[name])
        elif before.get(name) != now.get(name):
            yield name


def _without_free(config: RunConfig) -> dict[str, Any]:
    """Return the settings that a longer run must share."""
    document = config.model_dump(exclude={"label", "stack", "chosen_from", "trial", "prune_above", "searched"})
    document["training"] = {key: value for key, value in document["training"].items() if key not in FREE}
    return document


def prolong(run: Run, steps: int) -> Mapping[str, Any]:
    """Return settings of training for `steps` steps, with warm-up and evaluations at the same steps as in `run`.

    Raises:
        UsageError: `steps` is not a multiple of the evaluation interval, or has too many evaluations.
    """
    before = Settings(**run.recorded.settings)
    assert before.steps
    evaluations, apart = Fraction(steps * before.evaluations, before.steps), Fraction(before.steps, before.evaluations)
    if evaluations.denominator > 1:
        unit = apart.numerator  # smallest number of steps with a whole number of evaluations
        fitting = [count * unit for count in (steps // unit, steps // unit + 1) if count * unit > before.steps]
        raise UsageError(
            f"'{run.directory}' is evaluated every {float(apart):g} steps, and {steps:,} is not a multiple: give "
            f"{' or '.join(f'--steps {count}' for count in fitting)}."
        )
    if evaluations > MOST_EVALUATIONS:
        raise UsageError(
            f"{steps:,} steps would be evaluated {int(evaluations):,} times, and at most {MOST_EVALUATIONS:,} are "
            "possible: give fewer."
        )
    return {"steps": steps, "evaluations": int(evaluations), "warmup": before.warmup_steps / steps}


def keep_recipe(run: Run, longer: Cell) -> Mapping[str, Any]:
    """Return the settings that `run` has from a recipe, if another recipe is nearer to the budget of the longer run."""
    if longer.recipe == run.recorded.recipe:
        return {}
    return {name: run.recorded.settings[name] for name in ("optimizer", "lr", "weight_decay")}


def is_the_same_now(run: Run, corpus: Corpus) -> bool:
    """Return whether a run of the same settings would have the same fingerprint on this machine with this code."""
    (again,) = resolve_all([run.recorded.run], {run.recorded.run.data.rotation: corpus}, run.directory.parent)
    return again.recorded.fingerprint == run.recorded.fingerprint


def begin_where_it_ended(cell: Cell, run: Run) -> int | None:
    """Make a longer run begin at the kept state of `run`; return its step, or None if the run has already begun.

    Raises:
        RunError: the longer run must begin at step 0; the message says why.
    """
    state = read_kept_state(run.directory, run.recorded.fingerprint)
    if outside := sorted({name for replica in state.values["replicas"] for name in replica["outside"]}):
        raise RunError(f"it keeps {', '.join(map(repr, outside))} outside of parameters and buffers")
    hidden = cell.directory.with_name(f".{cell.directory.name}.partial")
    if is_done(cell.directory):
        return None
    with lock(hidden / LOCK):
        begins = Checkpoints(hidden, cell.recorded.fingerprint, 0.0).begin_at(state)
    return int(state.values["steps"]) if begins else None
