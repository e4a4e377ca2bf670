"""Each mutant fails exactly the checks that its mistake concerns."""

import pytest
from mutants import (
    CAUGHT,
    BuildsItsMaskForALargestLength,
    ForgetsOnceInAHundredTokens,
    PeeksInBatchesOfDocumentsOnly,
    PeeksPastThreeHundredTokens,
    PeeksPastTwoHundredTokens,
    SharesExpertsAmongLongRows,
    Sound,
)
from unusual import UNUSUAL, RotatesByAGrowingTable

from zoo.conformance.contract import CHECKS, Contract
from zoo.conformance.subject import LONG_CONTEXT, Subject

QUICK = [m for names in {frozenset(n) for n in CAUGHT.values()} for m in [m for m in CAUGHT if CAUGHT[m] == names][:1]]
"""A mutant of each set of checks; the others are in the slow tier."""
QUICK += [Sound, *UNUSUAL[:3]]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


FAR = {
    BuildsItsMaskForALargestLength: "causality",
    ForgetsOnceInAHundredTokens: "streaming",
    PeeksInBatchesOfDocumentsOnly: "causality",
    PeeksPastThreeHundredTokens: "causality",
    PeeksPastTwoHundredTokens: "causality",
    SharesExpertsAmongLongRows: "padding",
}
"""Mutants whose mistake needs long rows or large batches, and the check that finds it at a long context."""


def outcomes(model, context=8):
    contract = Contract(Subject(model.__name__, model, model.Config(), context=context, vocab_size=27))
    return {outcome.check.name: outcome for outcome in contract.outcomes()}


def failed(model, context=8):
    found = outcomes(model, context)
    return {name: outcome.findings for name, outcome in found.items() if outcome.status == "failed"}


def cases(models):
    """A test case per model, most of them slow."""
    return [pytest.param(m, id=m.__name__, marks=[] if m in QUICK else [pytest.mark.slow]) for m in models]


@pytest.mark.parametrize("model", cases([Sound, *UNUSUAL]))
def test_a_sound_model_passes_every_check_however_it_does_it(model):
    found = outcomes(model)
    assert {name: o.findings for name, o in found.items() if o.status != "passed"} == {}


def test_a_table_that_grows_and_changes_no_logits_is_no_fault():
    """Restoring only buffers between calls would accuse it: so these checks build the model afresh."""
    model = RotatesByAGrowingTable
    contract = Contract(Subject(model.__name__, model, model.Config(), context=4, vocab_size=27))
    found = {name: contract.outcome(name) for name in ("determinism", "causality", "independence")}
    assert {name: o.findings for name, o in found.items() if o.status != "passed"} == {}


@pytest.mark.parametrize("mutant", cases(CAUGHT))
def test_a_mutant_is_caught_by_the_named_checks_and_by_no_other(mutant):
    found = failed(mutant)
    assert set(found) == CAUGHT[mutant], found


@pytest.mark.slow
@pytest.mark.parametrize("mutant", FAR, ids=lambda mutant: mutant.__name__)
def test_fewer_rows_at_a_long_context_still_reach_far(mutant):
    assert FAR[mutant] in failed(mutant, LONG_CONTEXT + 32)


def test_every_check_that_can_fail_has_a_mutant():
    assert set.union(*CAUGHT.values()) == set(CHECKS) - {"stacking"}
