"""Write the records of a large study without training it: copies of real runs, with losses drawn for every seed.

    python studies/simulate_records.py RUNS OUT --models 100 --seeds 100

RUNS is the folder of a real comparison. OUT becomes one of any size, with every file that a comparison of that size
would have. The losses of every document are those of a real run, plus effects of model, seed and both, drawn at random:
so reports have intervals, verdicts and pairs to show. The weights are links to those of the real run, which `verify`
finds not to have these losses.
"""

import argparse
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from zoo.experiments.compare import record_name
from zoo.experiments.records.fingerprint import fingerprint
from zoo.experiments.records.reading import read_scores
from zoo.experiments.records.run import LOSSES, WEIGHTS, Run
from zoo.experiments.records.study import StudyRecord, find_study, read_study, write_study
from zoo.experiments.runs.identity import run_name

MODEL, SEED, BOTH = 0.02, 0.01, 0.05
"""Standard deviations of the effects, in nats per token: of a model, of a seed, and of a document under both."""


def simulate(source: Path, out: Path, models: int, seeds: int) -> Path:
    """Write the records of a study of `models` × `seeds` runs into `out`; return the path of its record."""
    path = find_study(source)
    record = read_study(path)
    templates = record.read_runs(path.parent)
    labels = [model.label for model in record.study.models]
    by_label = {label: next(run for run in templates if run.label == label) for label in labels}
    contestants, costs, ways, runs = [], {}, {}, []
    out.mkdir(parents=True)
    for number in range(models):
        old = record.study.models[number % len(labels)]
        name = old.label if number < len(labels) else f"{old.label}-{number // len(labels)}"
        contestants.append(old.model_copy(update={"label": name}))
        if old.label in record.costs:
            costs[name] = record.costs[old.label]
        ways[name] = record.ways[old.label]
        effect = np.random.default_rng(number).normal(0, MODEL)
        runs += [write_copy(by_label[old.label], out, name, seed, effect) for seed in range(1, seeds + 1)]
    study = record.study.model_copy(update={"models": tuple(contestants), "seeds": tuple(range(1, seeds + 1))})
    runs.sort(key=lambda run: run.recorded.run.seed)
    described = StudyRecord(
        study=study,
        ways=ways,
        runs=tuple(run.directory.name for run in runs),
        xz=record.xz,
        costs=costs,
    )
    place = out / record_name(study, runs)
    write_study(place, described)
    return place


def write_copy(run: Run, out: Path, label: str, seed: int, effect: float) -> Run:
    """Write the records of `run` under another label and seed, with other losses; return them."""
    config = run.recorded.run.model_copy(update={"label": label, "seed": seed})
    recorded = run.recorded.model_copy(update={"run": config, "fingerprint": fingerprint([label, seed])})
    place = out / run_name(config, recorded.fingerprint)
    place.mkdir()
    for name in ("curve.jsonl", "environment.json"):
        shutil.copyfile(run.directory / name, place / name)
    os.link(run.directory / WEIGHTS, place / WEIGHTS)
    random = np.random.default_rng([seed, len(label), *label.encode()])
    drawn = effect + np.random.default_rng(seed).normal(0, SEED) + random.normal(0, SEED)
    scores = read_scores(run.directory / LOSSES)
    for split in ("validation", "test"):
        tokens = scores[f"{split}.tokens"]
        scores[f"{split}.nats"] = scores[f"{split}.nats"] + tokens * (drawn + random.normal(0, BOTH, len(tokens)))
    losses = {
        f"{split}_loss": float(scores[f"{split}.nats"].sum() / scores[f"{split}.tokens"].sum())
        for split in ("validation", "test")
    }
    data = save(scores)
    (place / LOSSES).write_bytes(data)  # the functions of records would wait for the disk
    result = run.result.model_copy(update={**losses, "losses_sha256": hashlib.sha256(data).hexdigest()})
    for name, value in (("config.json", recorded), ("result.json", result)):
        (place / name).write_text(value.model_dump_json(indent=2) + "\n")
    return run.model_copy(update={"directory": place, "recorded": recorded, "result": result})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the records of a large study without training it.")
    parser.add_argument("source", metavar="RUNS", type=Path, help="folder of a real comparison")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the simulated one; must not exist")
    parser.add_argument("--models", type=int, default=100, help="number of models (100)")
    parser.add_argument("--seeds", type=int, default=100, help="number of seeds (100)")
    given = parser.parse_args()
    print(simulate(given.source, given.out, given.models, given.seeds))
