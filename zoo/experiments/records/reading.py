"""Read record files from untrusted sources: check that they are regular files, their size, JSON and values.

A faulty file raises a `DamagedError`, which names the file and the fault.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json
from safetensors import SafetensorError
from safetensors.numpy import load

from zoo.config import MOST_EVALUATIONS
from zoo.errors import RunError, describe_faults
from zoo.experiments.records.shared import MOST, share_names
from zoo.regular_file import read_regular

SCHEMA_VERSION = 1
LARGEST = 64 << 20
"""Maximum bytes of any record file."""
LONGEST_CURVE = MOST_EVALUATIONS + 1
"""Maximum points of a curve, as many as a run can make; reading them takes 3 s."""
MOST_TOKENS = 2**53
"""Maximum tokens of a split: a float64 holds every integer up to here."""
LARGEST_LOSS = 1e70
"""Maximum nats of a document: statistics square them."""

Record = TypeVar("Record", bound=BaseModel)

_known: dict[tuple[type[BaseModel], bytes], Any] = {}


class DamagedError(RunError):
    """A file that is not a valid record; `reason` says why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"'{path}' is damaged: {reason}.")
        self.path, self.reason = Path(path), reason


class Kind(NamedTuple):
    """Constraints on an array of losses: dtype, name of an array of the same shape, largest value (of counts: sum)."""

    dtype: np.dtype[Any]
    beside: str
    most: float
    least: int = 0
    """Minimum of each count."""
    least_sum: int = 1
    """Minimum of the sum of counts."""


_NATS, _COUNTS = np.dtype(np.float64), np.dtype(np.int64)
ARRAYS = {
    "nats": Kind(_NATS, "tokens", LARGEST_LOSS),
    "tokens": Kind(_COUNTS, "nats", MOST_TOKENS, least=1),
    "right": Kind(_COUNTS, "tokens", MOST_TOKENS, least_sum=0),
    "position.nats": Kind(_NATS, "position.tokens", LARGEST_LOSS),
    "position.squares": Kind(_NATS, "position.tokens", LARGEST_LOSS**2),
    "position.tokens": Kind(_COUNTS, "position.nats", MOST_TOKENS),
    "kept.tokens": Kind(_COUNTS, "kept.tokens", MOST_TOKENS),
    "kept.targets": Kind(np.dtype(np.uint16), "kept.nats", np.inf),
    "kept.nats": Kind(np.dtype(np.float32), "kept.targets", LARGEST_LOSS),
}
"""Array name after that of the split -> its constraints."""


def read_json(path: Path | str) -> Any:
    """Read the JSON document in a file.

    Raises:
        DamagedError: the file is not regular, too large, or not JSON in UTF-8.
    """
    return _parse(path, _read(path))


def _parse(path: Path | str, data: bytes) -> Any:
    try:
        return from_json(data)  # refuses half a character (a lone surrogate), unlike json.loads
    except ValueError as error:
        raise DamagedError(path, f"it is no JSON: {error}") from None


def read_record(path: Path | str, kind: type[Record]) -> Record:
    """Read the record in a file.

    Raises:
        DamagedError: as `read_json`, or the schema version or values are invalid.
    """
    return _make(path, _read(path), kind)


def read_equal(path: Path | str, kind: type[Record]) -> Record:
    """As `read_record`, but files of the same bytes give the same object."""
    data = _read(path)
    if (kind, data) not in _known:
        if len(_known) >= MOST:
            _known.clear()
        _known[kind, data] = _make(path, data, kind)
    return _known[kind, data]


def _make(path: Path | str, data: bytes, kind: type[Record]) -> Record:
    document = _parse(path, data)
    version = document.get("schema_version", SCHEMA_VERSION) if isinstance(document, dict) else SCHEMA_VERSION
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise DamagedError(path, f"it has schema version {version!r:.40}, this zoo reads {SCHEMA_VERSION}")
    return share_names(_validate(path, kind.model_validate, document))


def read_lines(path: Path | str, kind: type[Record]) -> list[Record]:
    """Read the records of a file with one per line.

    Raises:
        DamagedError: the file is not regular, too large, has too many lines, or a line is invalid.
    """
    try:
        lines = _read(path).decode().splitlines()
    except UnicodeDecodeError as error:
        raise DamagedError(path, f"it is not UTF-8, {error.reason} at byte {error.start:,}") from None
    if len(lines) > LONGEST_CURVE:
        raise DamagedError(path, f"it has {len(lines):,} lines, and at most {LONGEST_CURVE:,} are read")
    if all(line.startswith("{") and line.endswith("}") for line in lines):
        with suppress(ValidationError):  # all lines at once, in a third of the time; then one by one, to name a bad one
            found = _list_of(kind).validate_json(f"[{','.join(lines)}]")
            if len(found) == len(lines):
                return [share_names(record) for record in found]
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(share_names(kind.model_validate_json(line)))
        except ValidationError as error:
            raise DamagedError(path, f"line {number}: {describe_faults(error)}") from None
    return found


@cache
def _list_of(kind: type[Record]) -> TypeAdapter[list[Record]]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type]


def read_choices(path: Path, kind: TypeAdapter[Any]) -> Any:
    """Read a JSON file without schema version.

    Raises:
        DamagedError: as `read_json`, or its values are invalid.
    """
    return _validate(path, kind.validate_python, read_json(path))


def read_scores(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a losses.safetensors by name: "<split>.nats" and "<split>.tokens", one value per document.

    Some splits also have the details in `detail.py`: arrays by position and of kept tokens.

    Raises:
        DamagedError: the file is not regular, too large, not safetensors, or its arrays violate `ARRAYS`.
    """
    try:
        arrays = load(_read(path))
    except (
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:  # KeyError: numpy lacks the dtype
        raise DamagedError(path, f"it is no safetensors file of numbers: {str(error).splitlines()[0]}") from None
    for name, array in sorted(arrays.items()):
        split, _, what = name.partition(".")
        kind = ARRAYS.get(what)
        if kind is None or array.dtype != kind.dtype or array.ndim != 1 or not len(array):
            raise DamagedError(
                path, f"'{name}' is {array.dtype} of shape {array.shape}, not losses or tokens, one a document"
            )
        partner = arrays.get(f"{split}.{kind.beside}")
        if partner is None or partner.shape != array.shape:
            raise DamagedError(path, f"'{split}' does not have as many losses as tokens")
        if kind.dtype.kind == "f" and not (np.abs(array, dtype=np.float64) <= kind.most).all():  # catches NaN
            raise DamagedError(path, f"'{name}' has a loss that is not finite, or beyond {kind.most:g}")
        total = array.sum(dtype=np.float64)
        if kind.dtype.kind == "i" and not (array.min() >= kind.least and kind.least_sum <= total <= kind.most):
            raise DamagedError(path, f"'{name}' counts fewer than {kind.least} tokens, or more than a split can have")
        if what == "right" and (array > partner).any():
            raise DamagedError(path, f"'{name}' counts more right tokens than a document has")
        if what == "kept.tokens" and array.sum() != len(arrays.get(f"{split}.kept.nats", ())):
            raise DamagedError(path, f"the kept losses of '{split}' are not of the documents beside them")
    return arrays


def _read(path: Path | str) -> bytes:
    try:
        return read_regular(path, LARGEST)
    except OSError as error:
        raise DamagedError(path, str(error.strerror or error)) from None


def _validate(path: Path | str, validate: Callable[[Any], Any], document: Any) -> Any:
    try:
        return validate(document)
    except ValidationError as error:
        raise DamagedError(path, describe_faults(error)) from None
