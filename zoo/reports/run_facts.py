"""Words for one run, on its page and on the terminal."""

import os
import shlex
import sys

from zoo.experiments.judge.single import RunSummary
from zoo.experiments.records.run import last_auxiliary_loss
from zoo.reports.facts import BUDGETS, describe_corpus, name_early_end, name_unit
from zoo.reports.numbers import field, format_flops, loss, share, short, storage
from zoo.reports.search_facts import format_settings

FLAGS = {"steps": "--steps", "tokens": "--tokens", "seconds": "--seconds", "flops": "--flops"}


def describe_outcome(run: RunSummary) -> str:
    """The test loss, else the validation loss, else the status."""
    result = run.result
    if result.status == "finished":
        known = {"Test": result.test_loss, "Validation": result.validation_loss}
        name, value = next(((name, value) for name, value in known.items() if value is not None), ("", None))
        return f"{name} loss {loss(value)} nats per token" if name else "Finished"
    return result.status.capitalize()


def describe_end(run: RunSummary) -> str:
    """Say where training stopped and why, and which weights were kept."""
    result, budget = run.result, run.recorded.run.training.budget
    if result.status == "failed":
        return f"An error ended it. {result.reason}"
    if result.status == "diverged":
        where = "" if result.diverged_at is None else f" at step {result.diverged_at:,}"
        what = result.reason or "the loss was no finite number"
        return f"Training stopped after {_steps(result.steps)}: {what}{where}."
    if result.status == "pruned":
        return _describe_pruning(run)
    if result.counted is not None:
        words = ["It was counted, not trained" + (f": {result.counted}." if result.counted else ".")]
        words += [f"Its scores are refused. {result.reason}"] if result.status == "refused" else []
        return " ".join(words)
    given = getattr(run.recorded.run.training, budget) if budget else None
    words = [f"Training stopped after {_steps(result.steps)}."]
    if budget and given:
        spent = f"the {_amount(given)} {BUDGETS[budget]} of its budget were spent"
        words = [
            f"Training stopped after all {_steps(result.steps)} of its budget."
            if budget == "steps"
            else f"Training stopped after {_steps(result.steps)}, when {spent}."
        ]
    if result.best_step == 0:
        words.append("No evaluation was better than that of the initial weights, so these are kept.")
    elif result.best_step == result.steps:
        words.append("The last weights are kept: none before were better on validation.")
    elif result.best_step is not None:
        words.append(f"The weights of step {result.best_step:,} are kept, which were best on validation.")
    if result.solved_at is not None:
        words.append(f"It ended at step {result.solved_at:,}, when it had solved its task.")
    if (auxiliary := last_auxiliary_loss(run.curve)) is not None:
        words.append(f"It trained on an auxiliary loss too, {auxiliary:.3g} at the end; no loss here includes it.")
    if result.status == "refused":
        words.append(f"Its scores are refused. {result.reason}")
    return " ".join(words)


def describe_setting(run: RunSummary) -> dict[str, str]:
    """Name -> value of the settings of a run, with the terms of a comparison's page."""
    config, data, machine = run.recorded.run, run.recorded.data, run.environment
    training, lr = config.training, run.recorded.settings.get("lr")
    budget, number = training.budget, config.data.turn
    origins = {"recipe": "of its recipe", "setting": "given", "grid": "best of a grid", "search": "best of a search"}
    tried = config.trial and run.recorded.lr_from == "search"
    rate = "tried by a search" if tried else origins[run.recorded.lr_from]
    facts = {
        "Model": str(config.model),
        "Corpus": describe_corpus(data, has_test=config.data.has_test),
        "Split": f"{number[0]} of {number[1]}" if number[1] > 1 else "",
        "Budget": f"{_amount(getattr(training, budget))} {BUDGETS[budget]}, {training.batch_size} rows a step"
        + name_early_end(training)
        if budget and run.result.counted is None
        else "",
        "Learning rate": f"{lr:g}, {rate}; {run.recorded.settings.get('optimizer', 'adamw')}, {training.schedule}"
        if isinstance(lr, int | float) and run.result.counted is None
        else "",
        "Search": _describe_search(run),
        "Context": f"{config.context:,} {name_unit(data)}",
        "Seed": str(config.seed),
        "Start": f"weights of {config.start.name}" if config.start else "",
        "Machine": f"{machine.device}, {machine.threads} thread{'s' * (machine.threads != 1)}, {machine.platform}, "
        f"torch {machine.torch}",
        "Execution": run.result.execution,
    }
    return {name: words for name, words in facts.items() if words}


def _describe_pruning(run: RunSummary) -> str:
    """Say at which step a trial was pruned, and why."""
    result, limits, last = run.result, run.recorded.run.prune_above, len(run.curve) - 1
    limit = limits[last] if 0 <= last < len(limits) else None
    above = "" if limit is None else f", which was {loss(limit)}"
    lowest = "" if result.validation_loss is None else f" {loss(result.validation_loss)}"
    return (
        f"A trial of a search, pruned at step {result.steps:,}: its lowest validation loss{lowest} was above the "
        f"median of the finished trials there{above}."
    )


def _describe_search(run: RunSummary) -> str:
    """Name the settings that a search tried or chose, with their values; "" if there are none."""
    config = run.recorded.run
    known = {**run.recorded.settings, **config.model.options}
    values = {name: known[name] for name in config.searched if name in known}
    if not values:
        return ""
    return ("a trial of " if config.trial else "best of its trials: ") + format_settings(values)


def describe_cost(run: RunSummary) -> dict[str, str]:
    """Name -> value of what training used, and of the costs that a probe measured, if any."""
    result, cost = run.result, run.cost
    speed = result.tokens / result.seconds if result.seconds else None
    sign = "≥ " if result.flops_uncounted else "≈ " if result.flops_fitted else ""
    facts = {
        "parameters": f"{result.parameters:,}" + (f", and {result.buffers:,} in buffers" if result.buffers else ""),
        "sees": "all tokens before"
        if result.receptive_field is None
        else f"{field(result.receptive_field)} tokens before",
        "steps": f"{result.steps:,}",
        "tokens": f"{result.tokens:,}",
        "seconds": f"{result.seconds:,.1f}",
        "tokens a second": short(cost.train_tokens_per_second if cost else speed),
        "FLOPs": "" if result.flops is None else sign + short(result.flops),
        "FLOPs a token": format_flops(cost),
        "tokens a second, evaluation": short(cost.evaluation_tokens_per_second) if cost else "",
        "peak memory": storage(cost.peak_bytes) if cost else "",
        "state of a stream": storage(cost.state_bytes) + (" and grows" if cost.state_grows else "") if cost else "",
    }
    return {name: words for name, words in facts.items() if words}


def list_losses(run: RunSummary) -> list[tuple[str, float, int, float | None]]:
    """Split, loss, number of targets and floor, for each split with a loss."""
    data = run.recorded.data
    found = [(split, getattr(run.result, f"{split}_loss")) for split in ("test", "validation", "train")]
    return [
        (split, value, data.targets.get(split, 0), data.floor.get(split)) for split, value in found if value is not None
    ]


def describe_answers(run: RunSummary) -> str:
    """Say what the run gets right of a task, and what known predictors reach; "" for text."""
    result, task = run.result, run.recorded.data.task
    if not run.recorded.data.has_answers or result.accuracy is None or result.answers is None:
        return ""
    words = (
        f"Of the scored tokens of test {share(result.accuracy)} are right, of whole documents {share(result.answers)}."
    )
    if task is None:
        return words
    known = ", ".join(
        f"{own.name} {loss(own.loss)}" + ("" if own.accuracy is None else f" ({share(own.accuracy)})")
        for own in run.references
    )
    return f"{words} Solved means {task.goal}. Known predictors: {known}."


def next_commands(run: RunSummary, place: str, program: str = "python cli.py") -> dict[str, str]:
    """Command for what to do next with a run in a directory, quoted, ready to paste -> its purpose."""
    result, training, at = run.result, run.recorded.run.training, shlex.quote(place)
    if result.status == "failed":
        return {}
    found: dict[str, str] = {}
    if result.status == "finished":
        if run.recorded.data.can_be_sampled:
            found[f"{program} sample {at}"] = "texts from it"
        found[f"{program} evaluate {at}"] = "its losses once more"
    found[f"{program} report {at}"] = "its page, drawn again"
    budget = training.budget
    if result.status == "finished" and result.counted is None and budget and (given := getattr(training, budget)):
        number = str(2 * given).removesuffix(".0")
        found[f"{program} train {at} {FLAGS[budget]} {number}"] = "train it on, with twice its budget"
    return found


def program() -> str:
    """The words with which this command was called."""
    called = sys.argv[0]
    return f"python {shlex.quote(called)}" if called.endswith(".py") else shlex.quote(os.path.basename(called) or "zoo")


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _amount(number: float) -> str:
    return short(number) if number >= 1e6 else f"{number:,g}"
