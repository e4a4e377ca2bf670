"""Search the recipes: try the same points of learning rate, weight decay, warm-up and dropout for every model.

    python studies/search.py OUT [MODEL ...]        run the missing trials
    python studies/search.py OUT --table            print the finished trials in Markdown, the best of each model bold

Sixteen points of a scrambled Sobol sequence; names, 76 thousand parameters, 2 million targets, batches of 128, a
cosine, seed 0 (no study reports it). Then three more around the best of a model: twice and half its learning rate,
three times its weight decay; and last, the best of all without dropout. Validation chooses; nothing looks at the test
split. Every finished trial is one line of OUT/search.jsonl and is not run again. One thread; processes for different
models may share one OUT.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.config import DataConfig, RunConfig, TrainingConfig
from zoo.data.corpus import load_corpus
from zoo.experiments.runs.resolve import resolve
from zoo.experiments.runs.size_matching import match_sizes
from zoo.experiments.runs.train import execute
from zoo.experiments.study.config import StudyConfig

POINTS = 16
RANGES = {"lr": (2e-3, 6e-2), "weight_decay": (1e-2, 1.0)}  # both logarithmic
AROUND: tuple[dict[str, float], ...] = ({"lr": 2}, {"lr": 0.5}, {"weight_decay": 3})
LAST = POINTS + len(AROUND)
"""Number of the last trial."""
WARMUP, DROPOUT = 0.2, 0.3  # from 0 to
PARAMETERS, TOKENS, CONTEXT = 76_000, 2_000_000, 16


def points() -> list[dict[str, float]]:
    """The settings of the first round, the same at every call."""
    drawn = torch.quasirandom.SobolEngine(4, scramble=True, seed=1).draw(POINTS).tolist()
    return [
        {
            name: float(f"{low * (high / low) ** u:.2g}")
            for (name, (low, high)), u in zip(RANGES.items(), both, strict=True)
        }
        | {"warmup": round(WARMUP * warmup, 2), "dropout": round(DROPOUT * dropout, 2)}
        for *both, warmup, dropout in drawn
    ]


def trials(table: Path, model: str) -> dict[int, dict[str, Any]]:
    """Trial number -> finished trial of a model."""
    lines = [json.loads(line) for line in table.read_text().splitlines()] if table.is_file() else []
    return {line["point"]: line for line in lines if line["model"] == model}


def best_of(done: dict[int, dict[str, Any]]) -> int:
    """The number of the trial with the lowest validation loss; a diverged trial counts as infinite."""
    return min(done, key=lambda number: done[number]["validation_loss"] or math.inf)


def around(done: dict[int, dict[str, Any]]) -> list[dict[str, float]]:
    """The points of the second round, and of the last trial, without dropout."""

    def best(trials: int) -> dict[str, float]:
        found = done[best_of({number: trial for number, trial in done.items() if number < trials})]
        return {name: found[name] for name in ("lr", "weight_decay", "warmup", "dropout")}

    first = best(POINTS)
    second = [first | {name: float(f"{first[name] * times:.2g}") for name, times in step.items()} for step in AROUND]
    return [*second, best(LAST) | {"dropout": 0.0}]


def main(out: Path, models: list[str]) -> None:
    """Run the missing trials."""
    data = DataConfig(corpus=parse_call("names"))
    corpus, table = load_corpus(data), out / "search.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    for name in models:
        call = parse_call("transformer(heads=2,mlp=3)" if name == "transformer" else name)
        scales = MODELS.get(call.name).Config.scales_with
        study = StudyConfig(
            name="search",
            models=[{"label": name, "model": call}],
            data=data,
            training=TrainingConfig(tokens=TOKENS, threads=1),
            context=CONTEXT,
            seeds=[0],
            match={"parameters": PARAMETERS} if scales else None,
        )
        sized = match_sizes(study, corpus)[name].model if scales else call
        for number in range(LAST + 1):
            done = trials(table, name)
            if number in done:
                continue
            point = points()[number] if number < POINTS else around(done)[number - POINTS]
            options = {**sized.options, "dropout": point["dropout"]} if scales else {}
            training = TrainingConfig(
                tokens=TOKENS, threads=1, **{key: value for key, value in point.items() if key != "dropout"}
            )
            config = RunConfig(
                model=sized.model_copy(update={"options": options}),
                label=f"{name}-{number}",
                data=data,
                training=training,
                context=CONTEXT,
                seed=0,
                trial=True,
            )
            result = execute(resolve(config, corpus, out), corpus).result
            found = {"validation_loss": result.validation_loss, "seconds": round(result.seconds, 1)}
            with table.open("a") as file:
                file.write(
                    json.dumps({"model": name, "call": str(config.model), "point": number, **point, **found}) + "\n"
                )


def table(out: Path) -> None:
    """Print validation losses: a row per point, a column per model; then the second round, a row per model."""
    done = {name: found for name in MODELS.names() if (found := trials(out / "search.jsonl", name))}
    best = {name: best_of(found) for name, found in done.items()}

    def cell(name: str, number: int) -> str:
        loss = done[name].get(number, {}).get("validation_loss")
        text = f"{loss:.4f}" if loss else ""
        return f"**{text}**" if best[name] == number else text

    print("| lr | weight decay | warm-up | dropout |", " | ".join(done), "|")
    print("|--:|--:|--:|--:|" + "--:|" * len(done))
    for number, point in enumerate(points()):
        print(
            "|", " | ".join([*(f"{value:g}" for value in point.values()), *(cell(name, number) for name in done)]), "|"
        )
    columns = ["best of the table", "lr x 2", "lr / 2", "weight decay x 3", "best, no dropout"]
    print("\n|", " | ".join(["", *columns, "recipe: lr, weight decay, warm-up; dropout"]), "|")
    print("|---|--:|--:|--:|--:|--:|---|")
    for name, found in done.items():
        first = best_of({number: trial for number, trial in found.items() if number < POINTS})
        recipe = found[best[name]]
        losses = [cell(name, number) for number in (first, *range(POINTS, LAST + 1))]
        print(
            "|", " | ".join([name, *losses]),
            f"| {recipe['lr']:g}, {recipe['weight_decay']:g}, {recipe['warmup']:g}; {recipe['dropout']:g} |",
        )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[2:] == ["--table"]:
        table(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), sys.argv[2:] or list(MODELS.names()))
