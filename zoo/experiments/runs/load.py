"""Load the model of a finished run with its weights."""

import os

from registry.files import is_file_reference, split_file_reference
from zoo.errors import RunError
from zoo.experiments.records.run import DIGESTS, WEIGHTS, Run
from zoo.experiments.runs.model import FoundModel, find_model
from zoo.experiments.runs.trust import Trust
from zoo.experiments.runs.vocabulary import read_vocabulary
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights


def load_model(run: Run, trust: Trust | None = None) -> tuple[SequenceModel, str]:
    """Load a run's model and weights, on the CPU, in evaluation mode; return it and a notice if its source has changed.

    Args:
        trust: files that may be imported; default: those whose source the run was made with.

    Raises:
        RunError: the run has no weights, its model's file is missing or not trusted, or the weights are damaged or do
            not fit the model's code.
    """
    if run.result.status == "failed":
        raise RunError(f"'{run.directory}' failed: no weights to load. {run.result.reason}")
    if run.result.best_step is None:
        raise RunError(f"'{run.directory}' diverged at its first evaluation: no weights to load.")
    config, name = run.recorded.run, run.recorded.run.model.name
    if is_file_reference(name) and not os.path.isfile(split_file_reference(name)[0]):
        raise RunError(
            f"'{run.directory}' is a run of '{name}', a file that does not exist: go to the folder where it was "
            "trained."
        )
    trust = trust or Trust()
    trust.allow(run.recorded)
    trust.check(name)
    vocab_size = len(read_vocabulary(run.directory, run.recorded.data))
    found = find_model(config.model, vocab_size=vocab_size, context=config.context)
    model = found.build(config.init_seed)
    load_weights(model, run.directory / WEIGHTS, run.result.weights_sha256)
    return model.eval(), describe_change(run, found)


def describe_change(run: Run, model: FoundModel) -> str:
    """Return a notice if the model's source has changed since training; "" if not, or if that is unknown."""
    if run.recorded.digests != DIGESTS or model.digest_source() == run.recorded.model_source:
        return ""
    return f"The source of '{model.call.name}' has changed since this run was trained."
