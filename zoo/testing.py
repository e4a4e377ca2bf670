"""The contract as a pytest test, for authors of models.

from zoo.testing import contract

test_mine = contract("mine")            # a name, as on the command line
test_wide = contract(Mine, hidden=96)   # or a class, with options
"""

from collections.abc import Callable
from functools import cache
from typing import Any

try:
    import pytest
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(f"{missing}: pip install 'sequence-zoo[test]'") from missing

from zoo.calls import Call, parse_call
from zoo.conformance.contract import CHECKS, SLOW, Contract
from zoo.conformance.subject import Subject
from zoo.models.build import model_config
from zoo.models.interface import SequenceModel


def contract(
    model: str | type[SequenceModel],
    *,
    context: int = 8,
    vocab_size: int = 27,
    compile: bool = False,
    **options: Any,
) -> Callable[..., None]:
    """A test function with one case per check; assign it to a name that begins with `test_`.

    Args:
        model: a model as on the command line, or a class.
        context: N.
        vocab_size: V.
        compile: also check torch.compile and torch.export, which needs a minute and a C++ compiler.
        options: options of the model, fields of its `Config`.
    """

    @cache
    def prepared() -> Contract:
        if isinstance(model, str):
            call = parse_call(model)
            call = Call(name=call.name, options={**call.options, **options})
            return Contract(Subject.of(call, context=context, vocab_size=vocab_size), compile=compile)
        name = model.__name__
        config = model_config(model, options, name)
        return Contract(Subject(name, model, config, context, vocab_size), compile=compile)

    @pytest.mark.parametrize("check", [*CHECKS, *(SLOW if compile else {})])
    def test_contract(check: str) -> None:
        outcome = prepared().outcome(check)
        if outcome.status == "skipped":
            pytest.skip(f"waits for {', '.join(outcome.waits_for)}")
        failures = [finding.text for finding in outcome.findings if finding.kind == "failure"]
        if failures:
            pytest.fail("\n".join(failures), pytrace=False)

    return test_contract
