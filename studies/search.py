"""The search that found the recipes: the same points of learning rate, weight decay, warm-up, dropout for each model.

    python studies/search.py OUT [MODEL ...]

Sixteen points of a scrambled Sobol sequence; names, 76 thousand parameters, 2 million targets, batches of 128, a
cosine, seed 0 (no study reports it). Validation chooses; nothing looks at the test split. Every finished trial is one
line of OUT/search.jsonl, and what stands there is not run again. One thread; several of these may share one OUT.
"""

import json
import sys
from pathlib import Path

import torch

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.config import DataConfig, RunConfig, TrainingConfig
from zoo.data.corpus import load_corpus
from zoo.experiments.cell import prepare
from zoo.experiments.match import match
from zoo.experiments.run import execute
from zoo.experiments.study import StudyConfig

POINTS = 16
RANGES = {"lr": (2e-3, 6e-2), "weight_decay": (1e-2, 1.0)}  # both logarithmic
WARMUP, DROPOUT = 0.2, 0.3  # from 0 to
PARAMETERS, TOKENS, CONTEXT = 76_000, 2_000_000, 16


def points() -> list[dict[str, float]]:
    """The settings to try, the same every time."""
    drawn = torch.quasirandom.SobolEngine(4, scramble=True, seed=1).draw(POINTS).tolist()
    return [
        {
            name: float(f"{low * (high / low) ** u:.2g}")
            for (name, (low, high)), u in zip(RANGES.items(), both, strict=True)
        }
        | {"warmup": round(WARMUP * warmup, 2), "dropout": round(DROPOUT * dropout, 2)}
        for *both, warmup, dropout in drawn
    ]


def main(out: Path, models: list[str]) -> None:
    """Run what is not there yet."""
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
        sized = match(study, corpus)[name].model if scales else call
        for number, point in enumerate(points()):
            done = [json.loads(line) for line in table.read_text().splitlines()] if table.is_file() else []
            if any((line["model"], line["point"]) == (name, number) for line in done):
                continue
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
            result = execute(prepare(config, corpus, out), corpus).result
            found = {"validation_loss": result.validation_loss, "seconds": round(result.seconds, 1)}
            with table.open("a") as file:
                file.write(
                    json.dumps({"model": name, "call": str(config.model), "point": number, **point, **found}) + "\n"
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(MODELS.names()))
