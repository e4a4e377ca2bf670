"""What the contract says of an auxiliary loss, and of which method it is."""

import mutants
import pytest
from mutants import AddsALoss, Sound

from zoo.conformance.auxiliary_loss import check_auxiliary_loss
from zoo.conformance.subject import Subject

SAYS = {
    "AddsANumber": "It gives a float as its auxiliary loss: return a scalar, a real tensor of shape ()",
    "AddsALossPerUnit": "It gives an auxiliary loss that is float32 of shape (24,): return a scalar",
    "AddsALossWithoutAGradient": "Its auxiliary loss has no gradient after packed(...), so that it would change",
    "AddsAnInfiniteLoss": "Its auxiliary loss is inf after packed(...): it must be finite.",
    "AddsNothingOnDocuments": "It gives an auxiliary loss after some of forward, packed and last, and None",
}


def subject_of(model: type[Sound]) -> Subject:
    return Subject(model.__name__, model, model.Config(), context=8, vocab_size=27)


@pytest.mark.parametrize("name", SAYS)
def test_a_finding_says_what_is_wrong_and_what_to_do(name: str) -> None:
    (finding,) = check_auxiliary_loss(subject_of(getattr(mutants, name)))
    assert finding.kind == "failure"
    assert finding.text.startswith(SAYS[name])


@pytest.mark.parametrize("model", [Sound, AddsALoss])
def test_a_sound_model_has_no_finding(model: type[Sound]) -> None:
    assert not list(check_auxiliary_loss(subject_of(model)))


def test_an_error_says_after_which_method() -> None:
    with pytest.raises(AttributeError, match="no attribute 'size'") as caught:
        list(check_auxiliary_loss(subject_of(mutants.KnowsItsLossOnStreamsOnly)))
    assert caught.value.__notes__ == ["in auxiliary_loss() after packed(...), or before"]
