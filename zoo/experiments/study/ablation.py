"""Declare an ablation: the pieces of a model that are dropped, swapped and scaled, and pairs of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from zoo.calls import Call, Value, parse_assignment, parse_value, split_at_commas
from zoo.config import Frozen
from zoo.errors import UsageError, describe_faults, shorten


def _listed(value: Any) -> Any:
    """A single value as a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Values = Annotated[tuple[Value, ...], BeforeValidator(_listed), Field(min_length=1)]
Factors = Annotated[
    tuple[Annotated[float, Field(gt=0, strict=True)], ...], BeforeValidator(_listed), Field(min_length=1)
]


class Ablation(Frozen):
    """The changes of an ablation, each of an option of one model; the table [ablation] of a study file."""

    model: Call
    drop: Names = Field((), description="pieces without which the model is trained")
    swap: Mapping[str, Values] = Field({}, description="option -> other values")
    scale: Mapping[str, Factors] = Field({}, description="option -> factors of its value")
    pairs: bool | Names = Field(False, description="pieces of which every two are changed together; true: the dropped")

    @property
    def paired(self) -> tuple[str, ...]:
        """Names of the pieces of which every two are changed together."""
        if isinstance(self.pairs, bool):
            return self.drop if self.pairs else ()
        return self.pairs


def read_ablation(table: Mapping[str, Any], given: Mapping[str, Any]) -> Ablation:
    """Read the table of a study file, overridden by what a command gives; None overrides nothing.

    Raises:
        UsageError: values are faulty; all faults in one line.
    """
    try:
        return Ablation.model_validate({**table, **{key: value for key, value in given.items() if value is not None}})
    except ValidationError as error:
        raise UsageError(f"Ablation: {describe_faults(error)}.") from None


def parse_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Parse names: `norm,residual`."""
    return tuple(name for text in texts for name in split_at_commas(text))


def parse_values(texts: tuple[str, ...], flag: str) -> dict[str, tuple[Value, ...]]:
    """Parse options with values: `activation=relu,gelu gate=true`.

    Raises:
        UsageError: a part is written otherwise, or an option is given twice.
    """
    found: dict[str, tuple[Value, ...]] = {}
    for part in (part for text in texts for part in text.split()):
        name, first = parse_assignment(part)
        values = split_at_commas(part.partition("=")[2])
        if name in found:
            raise UsageError(f"{flag} gives '{name}' twice: write {name}=A,B.")
        found[name] = tuple(map(parse_value, values)) if values else (first,)
    return found


def parse_factors(texts: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """Parse options with factors: `hidden=0.5,2`.

    Raises:
        UsageError: a part is written otherwise, or a factor is no number greater than 0.
    """
    found = {}
    for name, values in parse_values(texts, "--scale").items():
        wrong = [value for value in values if isinstance(value, bool | str) or not 0 < value < float("inf")]
        if wrong:
            raise UsageError(f"--scale {name}={shorten(wrong[0])}: a factor is a number greater than 0, such as 0.5.")
        found[name] = tuple(map(float, values))
    return found
