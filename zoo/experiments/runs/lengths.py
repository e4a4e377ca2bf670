"""Score a finished run on longer documents of its task, from its stored weights."""

from collections.abc import Mapping

from zoo.blame import describe_error
from zoo.data.corpus import Corpus
from zoo.errors import ZooError
from zoo.experiments.records.lengths import LengthScore
from zoo.experiments.records.run import Run
from zoo.experiments.runs.load import load_model
from zoo.experiments.runs.trust import Trust
from zoo.surroundings import isolated
from zoo.training.device import resolve_device
from zoo.training.evaluation import evaluate


def score_lengths(run: Run, longer: Mapping[int, Corpus], trust: Trust | None = None) -> tuple[LengthScore, ...]:
    """Score a run on test documents of other lengths: factor -> the task with longer documents.

    A model that raises an exception there cannot take the length; that is a result.
    """
    training = run.recorded.run.training
    device = resolve_device(training.device)
    model = load_model(run, trust)[0].to(device)
    scores = []
    for factor, corpus in longer.items():
        assert corpus.task is not None
        rows = corpus.rows("test", length=corpus.task.length, device=device)
        try:
            with isolated(device, threads=training.threads):
                score = evaluate(model, rows, device=device, dtype=training.dtype)
        except Exception as error:  # models raise any type for a length they refuse
            why = str(error).partition("\n")[0] if isinstance(error, ZooError) else describe_error(error)
            scores.append(LengthScore(factor=factor, length=corpus.task.length, why=why[:1000]))
            continue
        scores.append(
            LengthScore(
                factor=factor,
                length=corpus.task.length,
                loss=score.loss,
                accuracy=score.accuracy,
                answers=score.answers,
                floor=corpus.floor["test"],
            )
        )
    return tuple(scores)
