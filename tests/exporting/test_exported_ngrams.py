"""Models of counts in operations of fixed sizes give the logits of the models."""

import numpy as np
import pytest
import torch

from tests.trained_models import COUNTED
from zoo.catalog import MODELS
from zoo.exporting.ngrams import Bisecting, NGrams, count_most_followers
from zoo.models.build import build, model_config
from zoo.models.interpolated import InterpolatedNGrams


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", COUNTED)
def test_logits_are_those_of_the_model(name: str, plain: bool) -> None:
    kind = MODELS.get(name)
    model = build(kind, model_config(kind, {}, name), vocab_size=5, context=4, seed=1).eval()
    text = np.random.default_rng(0).integers(0, 5, 400).astype(np.uint8)
    text[0] = 0
    model.fit_counts(text, text[:200])
    assert isinstance(model, InterpolatedNGrams)
    tokens = torch.from_numpy(text[:60].astype(np.int64)).view(3, 20)
    assert torch.allclose(NGrams(model, plain=plain)(tokens), model(tokens), atol=1e-6)
    assert count_most_followers(model.keys, model.starts, 5)[0] == 5


def test_a_scan_finds_what_searchsorted_finds() -> None:
    for length in (1, 2, 7, 8, 100):
        keys = torch.randint(50, (length,)).sort().values
        wanted = torch.randint(-3, 55, (4, 6))
        with Bisecting():
            found = torch.searchsorted(keys, wanted)
        assert torch.equal(found, torch.searchsorted(keys, wanted))
