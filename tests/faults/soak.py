"""Run thousands of tiny cells in one process and watch its memory and open files.

python -m tests.faults.soak 2000
"""

import argparse
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

LIMIT = 0.05
"""Allowed relative growth of memory and open files after the first cells."""
SETTLED = 200
"""Number of cells after which all setup is done."""


def resident() -> int:
    """Resident memory of the process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", type=int)
    cells = parser.parse_args().cells
    import torch

    from zoo.config import Call, DataConfig, RunConfig, TrainingConfig
    from zoo.data.load import load_corpus
    from zoo.experiments.runs.resolve import resolve
    from zoo.experiments.runs.train import execute

    torch.set_num_threads(1)
    corpus = load_corpus(DataConfig(corpus=Call(name="invented", options={"documents": 60})))
    training = TrainingConfig(steps=2, batch_size=4, device="cpu", evaluations=1)
    models = [Call(name="mlp", options={"hidden": 4}), Call(name="gru", options={"hidden": 4}), Call(name="bigram")]
    folder, settled = Path(tempfile.mkdtemp()), (0, 0)
    print("| cells | MB | open files |\n|--:|--:|--:|")
    for number in range(1, cells + 1):
        config = RunConfig(model=models[number % len(models)], label="cell", training=training, seed=number)
        execute(resolve(config, corpus, folder), corpus)
        if number in (1, SETTLED) or number % 500 == 0:
            gc.collect()
            seen = resident(), len(os.listdir("/proc/self/fd"))
            settled = seen if number == SETTLED else settled
            print(f"| {number:,} | {seen[0] / 1e6:.0f} | {seen[1]} |", flush=True)
            shutil.rmtree(folder)
            folder.mkdir()
    sys.exit(any(now > (1 + LIMIT) * then for now, then in zip(seen, settled, strict=True)))


if __name__ == "__main__":
    main()
