"""Every registered model, plug-ins included, at two sizes: by default, and scaled to about 200 thousand parameters."""

import pytest

from zoo.catalog import MODELS
from zoo.config import Value
from zoo.errors import UsageError
from zoo.experiments.runs.size_matching import find_width
from zoo.models.build import build, count_parameters, model_config
from zoo.models.interface import SequenceModel

MEDIUM = 200_000
"""Parameters."""

every_size = pytest.mark.parametrize(
    ("name", "size"),
    [pytest.param(name, size, id=f"{name}-{size}") for name in MODELS.names() for size in ("small", "medium")],
)
every_model = pytest.mark.parametrize("name", MODELS.names())


def sized(name: str, size: str, *, vocab_size: int, context: int) -> SequenceModel:
    """Build a model of this size; skip the benchmark if the model cannot be scaled."""
    kind = MODELS.get(name)

    def make(**options: Value) -> SequenceModel:
        return build(kind, model_config(kind, options, name), vocab_size=vocab_size, context=context, seed=1)

    if size == "small":
        return make()
    option = kind.Config.scales_with
    if option is None:
        pytest.skip(f"{name} names no option that scales it")
    try:
        width = find_width(option, lambda width: count_parameters(make(**{option: width})), MEDIUM).width
    except UsageError as error:
        pytest.skip(str(error))
    return make(**{option: width})
