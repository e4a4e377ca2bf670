"""`adapt` makes a model of any torch module in one line."""

import importlib
import linecache
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Literal, NamedTuple

import pytest
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

import zoo
from zoo.config import Recipe
from zoo.conformance.auxiliary_loss import check_auxiliary_loss
from zoo.conformance.subject import Subject
from zoo.data.rows import Batch
from zoo.experiments.records.fingerprint import digest_model
from zoo.models.adapt import AdaptError, adapt
from zoo.models.build import build
from zoo.models.interface import SequenceModel
from zoo.training.loss import cross_entropy
from zoo.training.step import training_losses

TOKENS = torch.randint(0, 5, (2, 7), generator=torch.Generator().manual_seed(0))


class Tagger(nn.Module):
    """A table through a bottleneck.

    Nothing else.
    """

    def __init__(
        self,
        vocab_size: int,
        width: Annotated[int, Field(ge=1, description="channels")] = 4,
        norm: Literal["none", "layer"] = "none",
        share=0.5,
        bias: bool = True,
        limit: float | None = None,
        device: torch.device | None = None,
        **rest: object,
    ) -> None:
        super().__init__()
        self.given = {"width": width, "norm": norm, "share": share, "bias": bias, "limit": limit, "rest": rest}
        self.embedding = nn.Embedding(vocab_size, width)
        self.head = nn.Linear(width, vocab_size, bias=bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.embedding(tokens))


def make(model: Callable[..., nn.Module] | type[SequenceModel], *, context: int = 3, **options: object):
    """Build the model under seed 0, adapted if it is no SequenceModel."""
    if not (isinstance(model, type) and issubclass(model, SequenceModel)):
        model = adapt(model)
    return build(model, model.Config(**options), vocab_size=5, context=context, seed=0)


def table(vocab_size: int) -> nn.Module:
    return nn.Embedding(vocab_size, vocab_size)


class Pair(NamedTuple):
    loss: float
    logits: Tensor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: logits,
        lambda logits: (logits, "state"),
        lambda logits: [logits],
        lambda logits: {"loss": None, "logits": logits},
        lambda logits: SimpleNamespace(logits=logits),
        lambda logits: Pair(0.0, logits),
    ],
    ids=["tensor", "tuple", "list", "mapping", "object", "named tuple"],
)
def test_logits_are_found_in_whatever_a_module_gives(wrap):
    class Thing(nn.Embedding):
        def __init__(self, vocab_size):
            super().__init__(vocab_size, vocab_size)

        def forward(self, tokens):
            return wrap(super().forward(tokens))

    model = make(Thing)
    torch.testing.assert_close(model(TOKENS), model.module.weight[TOKENS])


def test_an_empty_batch_does_not_reach_a_module_that_cannot_take_one():
    class Thing(nn.Embedding):
        def __init__(self, vocab_size):
            super().__init__(vocab_size, vocab_size)

        def forward(self, tokens):
            return super().forward(tokens.view(-1)).view(len(tokens), -1, self.num_embeddings)

    assert make(Thing)(TOKENS[:0]).shape == (0, 7, 5)


@pytest.mark.parametrize("output", ["text", None, (), (None, torch.zeros(1)), {"last": torch.zeros(1)}])
def test_an_output_without_logits_is_named_in_one_line(output):
    class Thing(nn.Module):
        def __init__(self, vocab_size):
            super().__init__()

        def forward(self, tokens):
            return output

    with pytest.raises(TypeError, match=rf"^Thing gives a {type(output).__name__} without logits: it must .*\.$"):
        make(Thing)(TOKENS)


class Experts(nn.Embedding):
    """Returns a loss of its own beside the logits, like the mixtures of experts of `transformers`."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size, vocab_size)

    def forward(self, tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=super().forward(tokens), aux_loss=self.weight.square().sum())


def test_an_auxiliary_loss_of_the_output_is_added_if_adapt_is_told_how():
    adds = adapt(Experts, auxiliary_loss=lambda output: 0.1 * output.aux_loss)
    model, batch = make(adds), Batch(TOKENS, TOKENS)
    losses = training_losses(model, batch)
    torch.testing.assert_close(losses.auxiliary, 0.1 * model.module.weight.square().sum())
    assert losses.cross_entropy.equal(cross_entropy(model(TOKENS), TOKENS))
    assert training_losses(make(Experts), batch).auxiliary is None


def test_an_auxiliary_loss_that_is_not_used_is_remarked():
    found = [list(check_auxiliary_loss(Subject("mine", kind, kind.Config(), context=3, vocab_size=5))) for kind in (
        adapt(Experts), adapt(Experts, auxiliary_loss=lambda output: output.aux_loss), adapt(Tagger))]  # fmt: skip
    assert [[finding.kind for finding in own] for own in found] == [["remark"], [], []]
    assert "adapt(..., auxiliary_loss=" in found[0][0].text


def test_options_have_the_types_descriptions_and_defaults_of_the_parameters():
    fields = adapt(Tagger).Config.model_fields
    assert {key: (field.annotation, field.default) for key, field in fields.items()} == {
        "width": (int, 4),
        "norm": (Literal["none", "layer"], "none"),
        "share": (float, 0.5),
        "bias": (bool, True),
        "limit": (float | None, None),
    }
    assert fields["width"].description == "channels"


def test_a_module_is_made_with_the_options_and_the_defaults_of_the_others():
    model = make(Tagger, width=6, bias=False, limit=0.1)
    assert model.module.given == {
        "width": 6,
        "norm": "none",
        "share": 0.5,
        "bias": False,
        "limit": 0.1,
        "rest": {},
    }
    assert {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == {
        "module.embedding.weight": (5, 6),
        "module.head.weight": (5, 6),
    }


@pytest.mark.parametrize(
    "options", [{"width": 0}, {"width": "4"}, {"norm": "batch"}, {"share": True}, {"bias": 1}, {"device": "cpu"}]
)
def test_an_option_of_another_kind_is_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        adapt(Tagger).Config(**options)


def test_a_parameter_without_default_is_an_option_that_must_be_given():
    def thing(vocab_size, width: int, name):
        return nn.Sequential(nn.Embedding(vocab_size, width), nn.Linear(width, vocab_size))

    with pytest.raises(ValidationError, match="2 validation errors"):
        adapt(thing).Config()
    assert make(thing, width=3, name="any").module[0].embedding_dim == 3


def test_a_default_may_be_a_field():
    def thing(vocab_size, width: int = Field(3, le=8), depth=Field(1)):  # noqa: B008
        return nn.Sequential(nn.Embedding(vocab_size, width), *[nn.Identity()] * depth, nn.Linear(width, vocab_size))

    assert dict(adapt(thing).Config()) == {"width": 3, "depth": 1}
    with pytest.raises(ValidationError, match="less than or equal to 8"):
        adapt(thing).Config(width=9)


def test_the_context_is_given_to_what_takes_it_by_name_or_by_place():
    def thing(vocab_size, context, /, *rest, width=2, **more):
        assert (rest, more) == ((), {})
        return nn.Sequential(nn.Embedding(vocab_size, context * width), nn.Linear(context * width, vocab_size))

    assert make(thing, context=4, width=3).module[0].embedding_dim == 12
    assert list(adapt(thing).Config.model_fields) == ["width"]


def test_a_model_is_named_and_described_as_what_was_adapted():
    model = adapt(Tagger)
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        assert getattr(model, name) == getattr(Tagger, name)
    with pytest.raises(TypeError, match=r"Tagger takes a Tagger\.Config"):
        model(zoo.ModelOptions(), vocab_size=5, context=3)


def test_it_is_a_decorator_with_settings_or_without():
    @adapt
    def plain(vocab_size, width=2):
        return Tagger(vocab_size, width)

    @zoo.adapt(recipe=Recipe(lr=0.5), scales_with="width", receptive_field=1, paper="Nobody 1900")
    def set_up(vocab_size, width=2):
        return Tagger(vocab_size, width)

    assert (plain.recipe, plain.Config.scales_with, plain.paper) == (Recipe(), None, "")
    assert (set_up.recipe.lr, set_up.Config.scales_with, set_up.paper) == (0.5, "width", "Nobody 1900")
    assert make(plain).receptive_field is None
    assert make(set_up).receptive_field == 1
    assert SequenceModel.Config.scales_with is None


def test_a_receptive_field_may_depend_on_the_context():
    assert make(adapt(table, receptive_field=lambda context: 2 * context - 1), context=4).receptive_field == 7


@pytest.mark.parametrize("receptive_field", [None, 1])
def test_an_adapted_model_streams(receptive_field):
    model = make(adapt(Tagger, receptive_field=receptive_field))
    dense = model(TOKENS)
    logits, state = model.prefill(TOKENS[:, :2], model.begin(2))
    for t in range(2, TOKENS.shape[1]):
        torch.testing.assert_close(logits, dense[:, t - 1])
        logits, state = model.step(TOKENS[:, t], state)
    torch.testing.assert_close(logits, model.last(TOKENS))


def test_an_adapted_model_learns():
    model = make(Tagger)
    cross_entropy(model(TOKENS), TOKENS).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@pytest.mark.parametrize(
    "thing", [nn.Linear(2, 3), partial(Tagger, width=3), "Tagger"], ids=["module", "partial", "text"]
)
def test_what_makes_no_fresh_module_is_refused(thing):
    what_to_do = r"Write a function of vocab_size that returns a new module\."
    message = rf"^adapt takes a class.* not a {type(thing).__name__}: .* {what_to_do}$"
    with pytest.raises(TypeError, match=message):
        adapt(thing)


@pytest.mark.parametrize(
    ("thing", "settings", "message"),
    [
        (lambda width: None, {}, "takes no vocab_size"),
        (lambda **options: None, {}, "takes no vocab_size"),
        (nn.Linear, {}, "Linear takes no vocab_size"),
        (Tagger, {"scales_with": "hidden"}, "no option 'hidden' to scale with. Its options: width, norm"),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_what_to_do(thing, settings, message):
    with pytest.raises(AdaptError, match=message):
        adapt(thing, **settings)


def test_a_module_that_must_be_given_cannot_be_an_option():
    def thing(vocab_size, layers: nn.Module):
        return layers

    with pytest.raises(AdaptError, match="thing needs 'layers', which cannot be an option"):
        adapt(thing)


def test_a_function_that_gives_no_module_is_refused():
    with pytest.raises(AdaptError, match=r"thing makes a function, not a torch\.nn\.Module"):

        @make
        def thing(vocab_size):
            return lambda tokens: tokens


def test_a_module_that_was_given_before_is_refused():
    kept = table(5)

    @adapt
    def thing(vocab_size):
        return kept

    make(thing)
    with pytest.raises(AdaptError, match="thing returns the same module twice"):
        make(thing)


def test_every_seed_draws_other_weights():
    model = adapt(table)
    first, again, other = (
        build(model, model.Config(), vocab_size=5, context=3, seed=seed).module.weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


CELL = """
from torch import nn
from zoo import adapt

class Base(nn.Module):
    scale = 2

    def forward(self, tokens):
        return 3 * self.table(tokens)

class Thing(Base):
    def __init__(self, vocab_size, width=4):
        super().__init__()
        self.table = nn.Embedding(vocab_size, vocab_size)

def helper():
    return 5

@adapt(receptive_field=lambda context: 6)
def function(vocab_size):
    return nn.Sequential(nn.Embedding(vocab_size, helper()), nn.Linear(helper(), vocab_size), *[nn.Tanh()] * 7)

Mine = adapt(Thing)
"""


@pytest.fixture(params=[True, False], ids=["text known", "text unknown"])
def run_cell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Execute a cell like a notebook: only `linecache` has its text, or nothing has."""
    notebook, number = ModuleType("notebook_kernel"), count()
    monkeypatch.setitem(sys.modules, "notebook_kernel", notebook)

    def run(source: str) -> ModuleType:
        name = f"<cell {next(number)}>"
        if request.param:
            monkeypatch.setitem(linecache.cache, name, (len(source), None, source.splitlines(keepends=True), name))
        exec(compile(source, name, "exec"), vars(notebook))
        return notebook

    return run


@pytest.mark.parametrize(("name", "numbers"), [("Mine", "23"), ("function", "567")])
def test_an_edited_module_of_a_notebook_is_another_model(run_cell, name, numbers):
    def digest(source: str) -> str:
        return digest_model(getattr(run_cell(source), name), "mine")

    assert digest(CELL) == digest(CELL)
    assert [number for number in numbers if digest(CELL.replace(number, "8")) == digest(CELL)] == []


def test_the_library_of_an_adapted_class_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    library = tmp_path / "some_library.py"
    library.write_text("class Thing:\n    def __init__(self, vocab_size):\n        pass\n")
    model = adapt(importlib.import_module("some_library").Thing)
    before = digest_model(model, "mine")
    library.write_text(f"{library.read_text()}# edited\n")
    assert digest_model(model, "mine") != before
    del sys.modules["some_library"]


FILE = '''
from torch import nn

from zoo import adapt


class Thing(nn.Module):
    """Somebody else's."""

    def __init__(self, vocab_size, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Embedding(vocab_size, width), nn.Linear(width, vocab_size))

    def forward(self, tokens):
        return {"logits": self.layers(tokens)}


Mine = adapt(Thing, scales_with="width", receptive_field=1)
'''
DATA = ("--data", "invented(documents=200)")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_an_adapted_model_of_a_file_is_described(zoo_json, mine):
    about = zoo_json("describe", "./mine.py:Mine(width=3)", "--vocab", "7")
    assert (about["about"], about["receptive_field"], about["parameters"]) == ("Somebody else's.", 1, 3 * 7 + 4 * 7)
    assert [(option["name"], option["type"], option["value"]) for option in about["options"]] == [("width", "int", 3)]


def test_a_wrong_option_of_an_adapted_model_gets_one_line(run_zoo, mine):
    done = run_zoo("describe", "./mine.py:Mine(widht=3,width=many)")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "width=many" in line
    assert "unknown option 'widht'. Its options: width." in line


def test_a_file_with_what_cannot_be_adapted_gets_one_line(run_zoo, mine):
    mine.write_text(FILE.replace("adapt(Thing", "adapt(nn.Linear"))
    done = run_zoo("describe", "./mine.py:Mine")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Linear takes no vocab_size" in line


def test_an_adapted_model_trains_samples_and_an_edit_makes_another_run(run_zoo, zoo_json, mine):
    command = ["train", "./mine.py:Mine", *DATA, "--steps", "3"]
    run = zoo_json(*command)["runs"][0]
    assert len(run_zoo("sample", run["directory"], "-n", "3").stdout.splitlines()) == 3
    assert zoo_json(*command)["runs"][0]["fingerprint"] == run["fingerprint"]
    mine.write_text(mine.read_text().replace("self.layers(tokens)}", "2 * self.layers(tokens)}"))
    assert zoo_json(*command)["runs"][0]["fingerprint"] != run["fingerprint"]


def test_an_adapted_model_that_gives_no_logits_is_refused_in_one_line(run_zoo, mine):
    mine.write_text(mine.read_text().replace("logits", "last_hidden_state"))
    done = run_zoo("train", "./mine.py:Mine", *DATA, "--steps", "3")
    assert done.returncode == 1
    assert "Thing gives a dict without logits" in done.stderr.splitlines()[-1]


def test_an_adapted_model_is_scaled_to_a_size(zoo_json, mine):
    size = ("--match", "parameters=300", "--steps", "2", "--seeds", "1")
    (row,) = zoo_json("compare", "--models", "./mine.py:Mine", *DATA, *size)["models"]
    assert abs(row["parameters"] / 300 - 1) < 0.1
