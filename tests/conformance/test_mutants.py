"""The contract bites: each broken model fails the checks that its mistake is about, and no other."""

import pytest
from mutants import CAUGHT, UNUSUAL, Sound

from zoo.conformance.contract import CHECKS, Contract
from zoo.conformance.subject import Subject

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def outcomes(model):
    contract = Contract(Subject(model.__name__, model, model.Config(), context=8, vocab_size=27))
    return {outcome.check.name: outcome for outcome in contract.outcomes()}


def failed(model):
    return {name: outcome.findings for name, outcome in outcomes(model).items() if outcome.status == "failed"}


@pytest.mark.parametrize("model", [Sound, *UNUSUAL], ids=lambda model: model.__name__)
def test_a_sound_model_passes_every_check_however_it_does_it(model):
    found = outcomes(model)
    assert {name: o.findings for name, o in found.items() if o.status != "passed"} == {}


@pytest.mark.parametrize("mutant", CAUGHT, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught_by_the_named_checks_and_by_no_other(mutant):
    found = failed(mutant)
    assert set(found) == CAUGHT[mutant], found


def test_every_check_that_can_fail_has_a_mutant():
    assert set.union(*CAUGHT.values()) == set(CHECKS) - {"stacking"}
