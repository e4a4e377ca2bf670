"""Every registered model holds the contract, also with options that change how it runs."""

import pytest

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.conformance.contract import Contract
from zoo.conformance.subject import Subject

CONTEXTS = dict.fromkeys(MODELS.names(), 8) | {
    "mlp(hidden=20)": 1,
    "wavenet(tree=true)": 8,
    "wavenet(tree=true,norm=per-position)": 8,
    "wavenet(norm=rms,activation=silu,gate=true,residual=true,skips=true)": 8,
    "wavenet(tree=true,norm=layer,residual=true,skips=true)": 8,
    "dilated-wavenet(norm=batch,gate=false,activation=relu,residual=false,skips=false)": 8,
    "transformer(norm=rms,activation=silu,gate=true,positions=none)": 8,
    "transformer(norm=none,residual=false)": 8,
    "wavenet(n=4)": 16,
    "wavenet(n=3)": 9,
    "wavenet(n=5)": 25,
    "dilated-wavenet(kernel=3,stacks=2)": 8,
    "dilated-wavenet(stacks=3)": 7,
    "gru(layers=2)": 8,
    "lstm(layers=2,dropout=0.5)": 8,
    "transformer(positions=learned,places=6)": 8,
    "transformer(tied=true)": 8,
    "transformer(heads=2,layers=1,dropout=0.1)": 8,
    "transformer(heads=2,layers=1,dropout=0.1,positions=learned,places=6,tied=true)": 8,
}
ALIKE = {
    "wavenet(n=4)",
    "wavenet(n=5)",
    "dilated-wavenet(stacks=3)",
    "wavenet(tree=true,norm=layer,residual=true,skips=true)",
    "transformer(norm=none,residual=false)",
    "gru(layers=2)",
    "transformer(positions=learned,places=6)",
    "transformer(tied=true)",
    "transformer(heads=2,layers=1,dropout=0.1)",
}
"""Options whose code other entries of the list run too."""


@pytest.mark.parametrize(
    "text", [pytest.param(text, marks=pytest.mark.slow if text in ALIKE else ()) for text in CONTEXTS]
)
def test_a_model_holds_the_contract(text):
    contract = Contract(Subject.of(parse_call(text), context=CONTEXTS[text], vocab_size=27))
    broken = {o.check.name: o.findings or o.waits_for for o in contract.outcomes() if o.status != "passed"}
    assert broken == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS.names())
def test_a_model_holds_the_contract_at_a_long_context(name):
    contract = Contract(Subject.of(parse_call(name), context=256, vocab_size=27))
    broken = {o.check.name: o.findings or o.waits_for for o in contract.outcomes() if o.status != "passed"}
    assert broken == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS.names())
def test_a_model_compiles_and_exports(name):
    contract = Contract(Subject.of(parse_call(name), context=8, vocab_size=27), compile=True)
    assert contract.outcome("compilation").findings == ()
