"""What the zoo has: a registry a kind of thing, and the built-in names. Importing this imports no torch."""

from typing import TYPE_CHECKING

from registry import Registry

if TYPE_CHECKING:
    from zoo.data.source import CorpusLoader
    from zoo.models.interface import SequenceModel


def _model_problem(loaded: object) -> str | None:
    from zoo.models.interface import SequenceModel

    if isinstance(loaded, type) and issubclass(loaded, SequenceModel):
        return None
    return "is not a subclass of zoo.SequenceModel"


def _corpus_problem(loaded: object) -> str | None:
    return None if callable(loaded) else "is not a function that returns a zoo.data.Source"


MODELS: "Registry[type[SequenceModel]]" = Registry(
    "model",
    "zoo.models",
    {
        "bigram": "zoo.models.bigram:Bigram",
        "bow": "zoo.models.bow:BagOfWords",
        "mlp": "zoo.models.mlp:MLP",
        "wavenet": "zoo.models.wavenet:WaveNet",
        "dilated-wavenet": "zoo.models.dilated_wavenet:DilatedWaveNet",
        "rnn": "zoo.models.recurrent:RNN",
        "gru": "zoo.models.recurrent:GRU",
        "lstm": "zoo.models.recurrent:LSTM",
        "transformer": "zoo.models.transformer:Transformer",
    },
    _model_problem,
)

CORPORA: "Registry[CorpusLoader]" = Registry(
    "corpus",
    "zoo.corpora",
    {
        "invented": "zoo.data.invented:load",
        "names": "zoo.data.download:names",
        "shakespeare": "zoo.data.download:shakespeare",
    },
    _corpus_problem,
)
