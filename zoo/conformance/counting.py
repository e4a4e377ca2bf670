"""Check `fit_counts` of a model of counts: it learns the text, the same at every call, and does not change it."""

from collections.abc import Iterator

import numpy as np

from zoo.conformance.check import Finding, failure, note_place
from zoo.conformance.determinism import digests, first_difference
from zoo.conformance.subject import CPU, Subject
from zoo.data.rows import DocumentRows, StreamRows
from zoo.data.tokens import Tokens
from zoo.surroundings import isolated
from zoo.training.evaluation import evaluate


def check_counting(subject: Subject, documents: Tokens) -> Iterator[Finding]:
    """Count documents and a stream under two seeds; yield at most one finding."""
    stream = Tokens.of([np.concatenate(documents)])
    for tokens, rows, what in (
        (documents.flat, DocumentRows(documents, CPU), "documents"),
        (stream.flat[:-1], StreamRows(stream, subject.context, CPU), "a stream"),
    ):
        given, found = tokens.copy(), list[dict[str, str]]()
        for seed in (0, 1):
            model = subject.build(seed=seed)
            before = evaluate(model, rows, device=CPU).loss
            with isolated(CPU, seed=seed), note_place(f"in fit_counts on {what}"):
                said: object = model.fit_counts(given, given)
            found.append(digests(model))
        if not isinstance(said, str):
            yield failure(f"fit_counts returns a {type(said).__name__}, not words for the record: a str, also ''.")
        elif not np.array_equal(given, tokens):
            yield failure("fit_counts writes into the text that it is given: copy it first.")
        elif changed := first_difference(*found):
            yield failure(
                f"fit_counts gives two different '{changed}' under two seeds: it must draw no random numbers."
            )
        elif not (after := evaluate(model, rows, device=CPU).loss) < before:
            yield failure(f"After fit_counts on {what} the loss on them is {after:.3f}, before it was {before:.3f}.")
        else:
            continue
        return
