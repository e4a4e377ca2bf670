"""Mistakes in `fit_counts` that the contract finds, each with a sentence of its own."""

import pytest
import torch

from zoo.conformance.contract import Contract
from zoo.conformance.subject import Subject
from zoo.models.unigram import Unigram


class SaysNothing(Unigram):
    def fit_counts(self, train, validation):
        super().fit_counts(train, validation)


class WritesIntoTheText(Unigram):
    def fit_counts(self, train, validation):
        said = super().fit_counts(train, validation)
        train[1] += 1
        return said


class DrawsNumbers(Unigram):
    def fit_counts(self, train, validation):
        said = super().fit_counts(train, validation)
        self.shares = self.shares * (1 + 0.01 * torch.rand(len(self.shares)))
        return said


class CountsNothing(Unigram):
    def fit_counts(self, train, validation):
        return ""


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (SaysNothing, "fit_counts returns a NoneType"),
        (WritesIntoTheText, "fit_counts writes into the text"),
        (DrawsNumbers, "fit_counts gives two different 'shares' under two seeds"),
        (CountsNothing, "After fit_counts on documents the loss on them is 3.296, before it was 3.296"),
    ],
)
def test_the_check_of_learning_names_the_mistake(kind, message):
    subject = Subject(kind.__name__, kind, kind.Config(), context=8, vocab_size=27)
    (finding,) = Contract(subject).outcome("learning").findings
    assert (finding.kind, message in finding.text) == ("failure", True), finding.text
