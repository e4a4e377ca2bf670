"""Find an optimizer by what a user writes, `adamw` or `muon(momentum=0.9)`, and make it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import ValidationError

from zoo.blame import blame
from zoo.calls import Call, parse_call
from zoo.catalog import OPTIMIZERS
from zoo.errors import UsageError, describe_faults
from zoo.training.optimizers.interface import Block, Optimizer, OptimizerOptions


@dataclass(frozen=True)
class FoundOptimizer:
    """An optimizer of the registry with validated options."""

    call: Call
    kind: type[Optimizer]
    options: OptimizerOptions

    @property
    def text(self) -> str:
        """The optimizer in one spelling: options in the order of its `Config`, without those at their defaults."""
        fields = type(self.options).model_fields
        given = {name: getattr(self.options, name) for name in fields}
        return str(Call(name=self.call.name, options={k: v for k, v in given.items() if v != fields[k].default}))

    def blamed(self, what: str) -> AbstractContextManager[None]:
        """Turn an exception of the optimizer's own lines into a `StrangerError` that says `what` failed."""
        return blame(f"Optimizer '{self.call.name}'", what, module=self.kind.__module__)

    def make(self, blocks: Sequence[Block]) -> Optimizer:
        """Make the optimizer of these blocks.

        Raises:
            StrangerError: its constructor raised an exception.
        """
        with self.blamed("to start"):
            return self.kind(self.options, blocks)


def find_optimizer(text: str) -> FoundOptimizer:
    """Find the optimizer that `text` names.

    Raises:
        RegistryError, UsageError: it is unknown, or does not accept the options.
    """
    call = parse_call(text)
    kind = OPTIMIZERS.get(call.name)
    try:
        return FoundOptimizer(call, kind, kind.Config(**call.options))
    except ValidationError as error:
        known = ", ".join(kind.Config.model_fields) or "none"
        raise UsageError(f"Optimizer '{call.name}': {describe_faults(error)}. Its options: {known}.") from None
