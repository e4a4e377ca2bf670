"""What an exported file says for itself: one JSON document, in the file of every format."""

import json

import torch

from zoo import __version__
from zoo.data.vocabulary import Vocabulary
from zoo.experiments.records.run import Run


def describe(run: Run, vocabulary: Vocabulary, *, streaming: bool) -> str:
    """Describe a run in the JSON document that its exported file holds."""
    recorded = run.recorded
    return json.dumps(
        {
            "zoo": __version__,
            "torch": torch.__version__,
            "form": "step" if streaming else "rows",
            "fingerprint": recorded.fingerprint,
            "weights_sha256": run.result.weights_sha256,
            "model": str(recorded.run.model),
            "corpus": recorded.data.name,
            "context": recorded.run.context,
            "boundary": 0,
            "vocabulary": len(vocabulary),
            "tokens": vocabulary.unit if vocabulary.pairs is None else "byte pairs",
            "characters": vocabulary.characters,
        }
    )
