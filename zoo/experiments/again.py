"""A finished run, used again: its loss on its own corpus or another, and samples of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from registry import RegistryError
from zoo.config import DataConfig
from zoo.data.corpus import Corpus, load_corpus
from zoo.data.vocabulary import Vocabulary
from zoo.errors import RunError, ZooError
from zoo.experiments.cell import row_length
from zoo.experiments.record import Run, read_run
from zoo.experiments.run import load_model
from zoo.models.interface import SequenceModel
from zoo.sampling import generate
from zoo.training.device import isolated, resolve_device
from zoo.training.evaluation import evaluate


def evaluate_again(
    directory: str, splits: Sequence[str], *, device: str, data: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Loss of the run's weights on `splits`, as a document; and notices, the corpus in one line among them.

    Raises:
        RunError, DataError, UsageError: no such run, no such text, or characters that the run's vocabulary lacks.
    """
    run = read_run(Path(directory))
    corpus = _corpus(run, data)
    same = corpus.digest == run.recorded.data.digest
    where = resolve_device(device)
    training = run.recorded.run.training
    model, notice = load_model(run)
    model.to(where)
    rows = []
    with isolated(where, threads=training.threads):
        for split in splits:
            score = evaluate(
                model,
                corpus.rows(split, length=row_length(run.recorded.run), device=where),
                device=where,
                dtype=training.dtype,
            )
            rows.append(
                {
                    "split": split,
                    "loss": score.loss,
                    "tokens": int(score.tokens.sum()),
                    "recorded": getattr(run.result, f"{split}_loss") if same else None,
                    "floor": corpus.floor[split],
                }
            )
    document = {"run": str(run.directory), "corpus": corpus.name, "same_corpus": same, "unit": "nats", "splits": rows}
    return document, [line for line in (corpus.summary(), notice) if line]


def sample_again(
    directory: str,
    *,
    count: int,
    temperature: float,
    top_k: int | None,
    prompt: str,
    seed: int,
    length: int | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Samples, each marked if it stands in the training text; and notices, if there is something to say.

    Raises:
        RunError, UsageError: no such run, or a prompt with a character that it does not know.
    """
    run = read_run(Path(directory))
    model, changed = load_model(run)
    notices, training = [changed] if changed else [], None
    try:
        training = _training_text(_corpus(run, {}), run)
    except (ZooError, RegistryError) as error:
        notices.append(f"Samples are not marked, for the training text cannot be read again: {error}")
    texts = draw_samples(
        run, model, count=count, temperature=temperature, top_k=top_k, prompt=prompt, seed=seed, length=length
    )
    return [{"text": text, "in_training": training is not None and text in training} for text in texts], notices


def draw_samples(
    run: Run,
    model: SequenceModel,
    *,
    count: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    prompt: str = "",
    seed: int = 0,
    length: int | None = None,
) -> list[str]:
    """Texts from the model of a run; a stream begins with a line break where it has one.

    Raises:
        UsageError: a prompt with a character that the run does not know.
    """
    data = run.recorded.data
    vocabulary = Vocabulary(data.characters)
    if data.is_stream and not prompt:
        prompt = "\n" if "\n" in (data.characters or "\n") else str(data.characters)[0]
    with isolated(torch.device("cpu"), threads=run.recorded.run.training.threads):
        tokens = generate(
            model,
            torch.from_numpy(vocabulary.encode(prompt)).long(),
            count=count,
            length=length or (300 if data.is_stream else 100),
            temperature=temperature,
            top_k=top_k,
            stops=not data.is_stream,
            seed=seed,
        )
    return [prompt + vocabulary.decode(row) for row in tokens]


def _corpus(run: Run, data: Mapping[str, Any]) -> Corpus:
    """The run's own corpus, or the one that `data` names, in the run's vocabulary."""
    given = {key: value for key, value in data.items() if value is not None}
    own = run.recorded.run.data
    if own.corpus.name == "-" and "corpus" not in given:
        raise RunError(f"'{run.directory}' was trained on standard input: name the text with --data.")
    config = DataConfig(**{**dict(own), **given})
    return load_corpus(config, Vocabulary(run.recorded.data.characters))


def _training_text(corpus: Corpus, run: Run) -> set[str] | str:
    """What a sample is looked for in: the training documents, or the training stream."""
    if corpus.digest != run.recorded.data.digest:
        raise RunError("the corpus has changed since.")
    documents = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in corpus.text.train]
    return documents[0] if corpus.is_stream else set(documents)
