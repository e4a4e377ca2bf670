"""`--match` reaches the nearest size that a model can have."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from zoo.catalog import MODELS
from zoo.config import Call, DataConfig
from zoo.data.corpus import Corpus
from zoo.data.load import load_corpus
from zoo.data.vocabulary import Vocabulary
from zoo.errors import UsageError
from zoo.experiments.runs.size_matching import WIDEST, find_width, match_sizes
from zoo.experiments.study.config import Matched, StudyConfig
from zoo.experiments.study.parse import make_study
from zoo.models.build import build, count_parameters, model_config

SCALABLE = [
    entry.name for entry in MODELS.entries() if entry.origin == "built in" and MODELS.get(entry.name).Config.scales_with
]
OTHERS = [
    "wavenet(tree=true,embedding=24)",
    "dilated-wavenet(kernel=3,stacks=2)",
    "gru(layers=2)",
    "transformer(positions=learned,places=64,heads=1)",
    "transformer(heads=3,layers=4)",
]


def load(vocabulary: str, path: Any, **options: Any) -> Corpus:
    """Load a small text; its vocabulary is these characters and the boundary."""
    data = DataConfig(corpus=Call(name=str(path)), **options)
    return load_corpus(data, Vocabulary(vocabulary))


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Words of a few lengths of the letters a to z: a vocabulary of 27."""
    path = tmp_path_factory.mktemp("match") / "words.txt"
    path.write_text("abc\nde\nfghij\n" * 20)
    return load("abcdefghijklmnopqrstuvwxyz", path, documents="line")


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("match") / "stream.txt"
    path.write_text("the tree sees the bees\n" * 60)
    return load("\n abcdefghijklmnopqrstuvwxyz", path, documents="none")


def study_of(*models: str, **match_to: float) -> StudyConfig:
    training = {"batch_size": 8, "length": 16}
    return make_study({}, {"models": models, "match": match_to or None, "data": {}, "training": training})


def parameters(matched: Call, vocab_size: int) -> int:
    kind = MODELS.get(matched.name)
    config = model_config(kind, matched.options, matched.name)
    return count_parameters(build(kind, config, vocab_size=vocab_size, context=8, seed=0))


def around(matched: Matched, size: Callable[[Call], float], reach: int) -> dict[int, float]:
    """Width -> size, for the widths near the found one that the model accepts."""
    option = MODELS.get(matched.model.name).Config.scales_with
    width = matched.model.options[option]
    sizes = {}
    for near in range(max(1, width - reach), width + reach + 1):
        try:
            sizes[near] = size(Call(name=matched.model.name, options={**matched.model.options, option: near}))
        except UsageError:
            continue
    return sizes


def test_the_vocabulary_is_that_of_names(documents: Corpus) -> None:
    assert len(documents.vocabulary) == 27


@pytest.mark.parametrize("target", [5_000, 76_000])
@pytest.mark.parametrize("text", [*SCALABLE, *OTHERS])
def test_the_number_of_parameters_is_the_nearest_that_there_is(text: str, target: int, documents: Corpus) -> None:
    found = match_sizes(study_of(text, parameters=target), documents)[text]
    sizes = around(found, lambda model: parameters(model, 27), reach=8)
    assert found.reached == parameters(found.model, 27)
    assert abs(found.reached - target) == min(abs(size - target) for size in sizes.values())
    assert len(sizes) > 1


@pytest.mark.parametrize("text", SCALABLE)
def test_at_76_thousand_parameters_all_are_within_two_percent_that_can_be(text: str, documents: Corpus) -> None:
    found = match_sizes(study_of(text, parameters=76_000), documents)[text]
    sizes = around(found, lambda model: parameters(model, 27), reach=8)
    reachable = any(abs(size / 76_000 - 1) <= 0.02 for size in sizes.values())
    assert (abs(found.deviation) <= 0.02) == reachable
    assert reachable or "heads" in MODELS.get(text).Config.model_fields  # they divide the width, so few are left
    assert abs(found.deviation) < 0.06


def test_options_that_are_given_stay(documents: Corpus) -> None:
    found = match_sizes(study_of("lstm(layers=2,hidden=3)", parameters=50_000), documents)["lstm(layers=2,hidden=3)"]
    assert found.model.options["layers"] == 2
    assert found.model.options["hidden"] > 3
    assert found.target == 50_000


def test_every_model_of_a_study_is_matched_under_its_label(documents: Corpus) -> None:
    study = study_of("gru", "mlp", parameters=20_000)
    matched = match_sizes(study, documents)
    assert list(matched) == ["gru", "mlp"]
    scaled = study.scaled(matched)
    assert [model.label for model in scaled.models] == ["gru", "mlp"]
    assert [parameters(model.model, 27) for model in scaled.models] == [found.reached for found in matched.values()]


def test_nothing_is_matched_where_nothing_is_asked(documents: Corpus) -> None:
    assert match_sizes(study_of("bigram"), documents) == {}


@pytest.mark.parametrize(
    ("text", "corpus"),
    [
        ("bow", "documents"),
        ("transformer", "documents"),
        ("wavenet", "stream"),
        ("lstm", "stream"),
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in (("bow", "stream"), ("transformer", "stream"), ("wavenet", "documents"), ("lstm", "documents"))
        ),
    ],
)
def test_flops_of_training_a_token_are_matched(text: str, corpus: str, request: pytest.FixtureRequest) -> None:
    """The transformer's heads allow it few widths."""
    data: Corpus = request.getfixturevalue(corpus)
    found = match_sizes(study_of(text, flops=100_000), data)[text]
    assert abs(found.deviation) < (0.35 if text == "transformer" else 0.03)
    again = match_sizes(study_of(text, flops=found.reached), data)[text]
    assert (again.model, again.deviation) == (found.model, 0)


def test_the_bigram_is_refused_by_name(documents: Corpus) -> None:
    with pytest.raises(UsageError, match=r"Model 'bigram' has no width to scale.*compare without --match"):
        match_sizes(study_of("gru", "bigram", parameters=1000), documents)


@pytest.mark.parametrize(("text", "least"), [("bow", "hidden=1"), ("transformer", "channels=8")])
@pytest.mark.parametrize("kind", ["parameters", "flops"])
def test_a_size_far_below_the_least_is_refused(text: str, least: str, kind: str, documents: Corpus) -> None:
    with pytest.raises(
        UsageError, match=rf"Model '{text}' cannot be as small as 10 {kind}: with {least}, the smallest"
    ):
        match_sizes(study_of(text, **{kind: 10}), documents)


def test_a_size_a_little_below_the_least_is_the_least(documents: Corpus) -> None:
    least = parameters(Call(name="bow", options={"hidden": 1}), 27)
    found = match_sizes(study_of("bow", parameters=least - 100), documents)["bow"]
    assert (found.model.options, found.reached) == ({"hidden": 1}, least)
    assert found.deviation > 0


def test_an_option_that_is_wrong_at_every_width_is_told(documents: Corpus) -> None:
    with pytest.raises(UsageError, match="unknown option 'depth'"):
        match_sizes(study_of("gru(depth=2)", parameters=1000), documents)


def only(valid: Callable[[int], bool], size: Callable[[int], float]) -> Callable[[int], float]:
    """Restrict a size to valid widths; the others raise."""

    def of(width: int) -> float:
        if not valid(width):
            raise UsageError(f"width {width} is not valid.")
        return size(width)

    return of


@pytest.mark.parametrize("step", [1, 7, 200])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("target", [1, 10.5, 1234, 76_000])
def test_widths_that_are_refused_are_skipped(step: int, power: int, target: float) -> None:
    size = only(lambda width: width % step == 0, lambda width: 3 + width**power)
    width, reached, _ = find_width("width", size, target)
    best = min(
        (step * k for k in range(1, 1 + int((2 * target) ** (1 / power) / step) + 2)),
        key=lambda w: abs(size(w) - target),
    )
    assert abs(reached - target) == abs(size(best) - target)
    assert reached == size(width)


def test_widths_that_are_refused_now_and_then_are_skipped() -> None:
    """The refused widths are irregular: 1, 2, 4, 8, ... and 100 to 110."""
    valid = {2**k for k in range(12)} | set(range(100, 111))
    for target in range(1, 2000, 37):
        _, reached, _ = find_width("width", only(valid.__contains__, float), target)
        assert abs(reached - target) == min(abs(width - target) for width in valid)


def test_a_search_takes_few_sizes() -> None:
    asked = count()

    def size(width: int) -> float:
        next(asked)
        return width

    find_width("width", size, 100_000)
    assert next(asked) < 40


def test_an_option_that_changes_nothing_is_told() -> None:
    with pytest.raises(UsageError, match="does not change the size of the model enough: 5"):
        find_width("width", lambda width: 5, 10)


def test_a_size_that_stops_growing_is_told() -> None:
    with pytest.raises(UsageError, match="enough"):
        find_width("width", lambda width: min(width, WIDEST / 4), WIDEST)


def test_a_model_that_refuses_every_width_is_told_why() -> None:
    with pytest.raises(UsageError, match=r"width=1 to \d+ do not work; 1: width 1 is not valid"):
        find_width("width", only(lambda width: False, float), 10)


@pytest.mark.parametrize(
    ("target", "width", "refused"),
    [
        (10, 8, "width=9 to 15 do not work; 9: width 9 is not valid."),
        (16, 16, ""),
        (1, 8, "width=1 to 7 do not work; 1: width 1 is not valid."),
    ],
)
def test_widths_that_may_be_nearer_are_told_with_why_they_are_not_taken(target: int, width: int, refused: str) -> None:
    assert find_width("width", only(lambda w: w % 8 == 0, float), target) == (width, width, refused)


def test_nothing_is_told_of_refused_widths_that_are_further_off() -> None:
    assert find_width("width", only(lambda width: width > 3, float), 10.4).refused == ""


STRANGERS = """
from pydantic import BaseModel, Field
from torch import nn
from zoo import adapt

class LibraryOptions(BaseModel):
    width: int = Field(multiple_of=4)

def layers(vocab_size, width):
    return nn.Sequential(nn.Embedding(vocab_size, width), nn.Linear(width, vocab_size))

def Heads(vocab_size, width: int = 8):
    nn.MultiheadAttention(width, 4)  # asserts that heads divide the width
    return layers(vocab_size, width)

def NeverOne(vocab_size, width: int = 8):
    return layers(vocab_size, width // (width - 1) * width)

def Validated(vocab_size, width: int = 8):
    return layers(vocab_size, LibraryOptions(width=width).width)

class HalvesItsChannels(nn.Module):
    def __init__(self, vocab_size, width):
        super().__init__()
        self.layers, self.norm = layers(vocab_size, width), nn.GroupNorm(1, 2 * (width // 2))

    def forward(self, tokens):
        self.norm(self.layers[0](tokens).flatten(0, 1))  # of an odd width there is one channel more
        return self.layers(tokens)

def RunsWhenEven(vocab_size, width: int = 8):
    return HalvesItsChannels(vocab_size, width)

def BuildsNever(vocab_size, width: int = 8):
    raise KeyError(f"no kernel for {width}")

for name in ("Heads", "NeverOne", "Validated", "RunsWhenEven", "BuildsNever"):
    globals()[name] = adapt(globals()[name], scales_with="width", receptive_field=1)
"""


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("strangers") / "strangers.py"
    path.write_text(STRANGERS)
    return f"{path}:"


@pytest.mark.parametrize("kind", ["parameters", "flops"])
@pytest.mark.parametrize(
    ("name", "widths", "why"),
    [
        ("Heads", range(4, 40, 4), "width=17 to 19 do not work; 17: AssertionError: embed_dim must be divisible"),
        ("Validated", range(4, 40, 4), "width=17 to 19 do not work; 17: ValidationError: 1 validation error"),
        ("RunsWhenEven", range(2, 40, 2), "width=17 does not work: RuntimeError: Expected weight to be a vector"),
        ("NeverOne", range(2, 40), ""),
    ],
)
def test_a_width_that_a_library_refuses_in_its_own_way_is_stepped_over(
    strangers: str, name: str, widths: range, why: str, kind: str, stream: Corpus
) -> None:
    V = len(stream.vocabulary)
    of_17 = {"parameters": 2 * V * 17 + V, "flops": 6 * V * 17}[kind]
    found = match_sizes(study_of(strangers + name, **{kind: of_17}), stream)[name]
    nearest = min(abs(width - 17) for width in widths)
    assert abs(found.model.options["width"] - 17) == nearest
    assert found.refused.startswith(why)
    assert bool(found.refused) == bool(why)
    assert "\n" not in found.refused


def test_the_width_that_was_tried_and_why_are_told_where_none_can_be_built(
    strangers: str, documents: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.experiments.runs.size_matching.SKIP", 4)
    with pytest.raises(UsageError) as error:
        match_sizes(study_of(f"{strangers}BuildsNever", parameters=1000), documents)
    said = "Model 'BuildsNever' cannot be matched. width=1 to 4 do not work; 1: KeyError: 'no kernel for 1'."
    assert str(error.value) == said


def test_a_size_below_the_least_that_can_be_built_names_the_width_and_why(strangers: str, documents: Corpus) -> None:
    with pytest.raises(
        UsageError, match=r"with width=4, the smallest possible, it has 243 \(width=1 to 3 do not work; 1: Ass"
    ):
        match_sizes(study_of(f"{strangers}Heads", parameters=10), documents)
