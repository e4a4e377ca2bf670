#!/bin/sh
# Optuna's ask and tell: the last trial of a grid raises RuntimeError from `tell`, though it is stored as complete.
#
# Optuna 5.0.0. GridSampler and BruteForceSampler call `study.stop()` after the trial that exhausts them. Outside of
# `study.optimize` there is no loop to stop, so `tell` raises "`Study.stop` is supposed to be invoked inside an objective
# function or a callback." A driver that takes the exception for a failed tell tells again, and is refused because the
# trial has ended. With `study.enqueue_trial` for every point of the grid, and another sampler, nothing is raised.
#
# Seen, a grid of two points:
#   tell(trial 0) returns; tell(trial 1) raises RuntimeError; states afterwards: COMPLETE, COMPLETE
#   the same by BruteForceSampler; by enqueue_trial: both return
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {"lr": optuna.distributions.CategoricalDistribution((0.01, 0.1))}


def tell_two(study):
    """Ask and tell two trials; return the message of each exception, or None."""
    said = []
    for value in (1.0, 2.0):
        trial = study.ask(SPACE)
        try:
            study.tell(trial, value)
            said.append(None)
        except RuntimeError as error:
            said.append(str(error))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    return said


for sampler in (optuna.samplers.GridSampler({"lr": [0.01, 0.1]}), optuna.samplers.BruteForceSampler()):
    first, last = tell_two(optuna.create_study(sampler=sampler))
    assert first is None and last.startswith("`Study.stop` is supposed"), (first, last)
    print(type(sampler).__name__, "raises at the last tell:", last)
study = optuna.create_study(sampler=optuna.samplers.RandomSampler())
for lr in (0.01, 0.1):
    study.enqueue_trial({"lr": lr})
assert tell_two(study) == [None, None]
assert [trial.params["lr"] for trial in study.trials] == [0.01, 0.1]
print("enqueued points: nothing is raised")
PYTHON
