"""Weights of unusual kinds are stored, loaded, and restored after training unchanged."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from zoo.errors import RunError, UsageError
from zoo.models.interface import SequenceModel
from zoo.training.checkpoint import load_weights, save_weights
from zoo.training.model_state import copy_state, restore_state, same_bits, state_of
from zoo.training.replica import Progress

MakeModel = Callable[..., SequenceModel]
Train = Callable[..., Any]


class Odd(SequenceModel):
    """A table; subclasses add unusual state in `build`, and change it in `change` as training might."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.table = nn.Embedding(vocab_size, 6)
        self.head = nn.Linear(6, vocab_size)
        self.build()

    def build(self) -> None: ...

    def change(self) -> None: ...

    def between(self, x: Tensor) -> Tensor:
        return x

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.between(self.table(tokens)))


class Conjugate(Odd):
    def build(self) -> None:
        self.pole = nn.Parameter(torch.randn(6, dtype=torch.cfloat).conj())

    def change(self) -> None:
        self.pole.data = torch.randn(6, dtype=torch.cfloat).conj()

    def between(self, x: Tensor) -> Tensor:
        return x * self.pole.imag


class Negative(Odd):
    def build(self) -> None:
        self.register_buffer("shift", torch.randn(6, dtype=torch.cfloat).conj().imag)

    def change(self) -> None:
        self.shift = torch.randn(6, dtype=torch.cfloat).conj().imag

    def between(self, x: Tensor) -> Tensor:
        return x + self.shift


class Strided(Odd):
    """A transposed weight, and buffers that are different views of one storage."""

    def build(self) -> None:
        self.mix = nn.Parameter(torch.randn(6, 6).T)
        both = torch.randn(4, 6)
        self.register_buffer("even", both[::2])
        self.register_buffer("first", both[:1])

    def change(self) -> None:
        self.even.mul_(3)

    def between(self, x: Tensor) -> Tensor:
        return x @ self.mix + self.even.sum(0) + self.first


class Expanded(Odd):
    def build(self) -> None:
        self.scale = nn.Parameter(torch.randn(1).expand(6))
        self.register_buffer("shift", torch.randn(1, 1).expand(1, 6))

    def change(self) -> None:
        self.scale.data = torch.randn(6)
        self.shift = torch.randn(1, 1).expand(1, 6)

    def between(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class Types(Odd):
    """Buffers of every type, also one unknown to safetensors, a scalar, and an empty one."""

    def build(self) -> None:
        for number, dtype in enumerate(
            (torch.float8_e4m3fn, torch.float8_e5m2fnuz, torch.bool, torch.int16, torch.uint32, torch.complex128)
        ):
            self.register_buffer(f"of_{number}", torch.randint(2, (2, 3)).to(dtype))
        self.register_buffer("alone", torch.randn(()))
        self.register_buffer("none", torch.empty(0, 3))
        self.register_buffer("nothing", None)
        self.register_buffer("pole", torch.randn((), dtype=torch.complex128))
        self.register_buffer("scratch", torch.randn(2), persistent=False)

    def change(self) -> None:
        for name, buffer in self.named_buffers():
            if name.startswith("of_"):
                buffer.copy_((torch.rand(2, 3) > 0.5).to(buffer.dtype))
        self.pole.fill_(1 - 2j)
        self.alone.fill_(float("nan"))

    def between(self, x: Tensor) -> Tensor:
        numbers = [getattr(self, f"of_{number}").to(torch.cdouble).real.sum() for number in range(6)]
        return x + (sum(numbers) + self.pole.imag) / 100


class Shared(Odd):
    """Has three ties: of a module, of a parameter and of a buffer."""

    def build(self) -> None:
        self.again = self.table
        self.head.weight = self.table.weight
        self.register_buffer("shift", torch.randn(6))
        self.register_buffer("shift_too", self.shift)

    def change(self) -> None:
        self.shift.mul_(2)

    def between(self, x: Tensor) -> Tensor:
        return x + self.shift - 2 * self.shift_too


class TiedLater(Odd):
    def change(self) -> None:
        self.head.weight = self.table.weight


class Hooked(Odd):
    """Hooks of `state_dict` rename entries and drop one; loading has no matching hook."""

    def build(self) -> None:
        self._register_state_dict_hook(self._renamed)

    @staticmethod
    def _renamed(module: nn.Module, state: dict[str, Tensor], prefix: str, _: object) -> None:
        state[f"{prefix}renamed"] = state.pop(f"{prefix}head.weight")
        del state[f"{prefix}head.bias"]


class Parametrized(Odd):
    def build(self) -> None:
        parametrizations.weight_norm(self.head)
        parametrizations.orthogonal(nn.Linear(6, 6))
        self.turn = parametrizations.orthogonal(nn.Linear(6, 6))
        self.tame = parametrizations.spectral_norm(nn.Linear(6, 6))

    def between(self, x: Tensor) -> Tensor:
        return self.tame(self.turn(x))


KINDS = [Odd, Conjugate, Negative, Strided, Expanded, Types, Shared, TiedLater, Hooked, Parametrized]
every_kind = pytest.mark.parametrize("kind", KINDS)


def changed(kind: type[Odd], make_model: MakeModel) -> Odd:
    """Build a model whose numbers differ from its initial ones."""
    model: Any = make_model(kind, seed=1)
    with torch.no_grad():
        model.change()
        model.table.weight.mul_(1.5)
    return model.eval()


def logits(model: nn.Module) -> Tensor:
    with torch.no_grad():
        return model(torch.arange(10).view(2, 5))


@every_kind
def test_loaded_weights_give_the_logits_of_those_that_were_saved(
    kind: type[Odd], make_model: MakeModel, tmp_path: Path
) -> None:
    saved, loaded, path = changed(kind, make_model), make_model(kind, seed=2).eval(), tmp_path / "weights.safetensors"
    load_weights(loaded, path, save_weights(saved, path))
    assert logits(loaded).equal(logits(saved))
    stored = state_of(loaded)
    assert all(same_bits(tensor, stored[name]) for name, tensor in state_of(saved).items())
    assert stored.keys() == state_of(saved).keys()
    assert "scratch" not in stored


@every_kind
def test_best_weights_are_put_back_bit_for_bit(kind: type[Odd], make_model: MakeModel) -> None:
    model = changed(kind, make_model)
    best, expected = copy_state(model), logits(model)
    with torch.no_grad():
        model.change()
        for parameter in model.parameters():
            parameter.data = parameter.data * 2
    restore_state(model, best)
    assert logits(model).equal(expected)


@every_kind
def test_the_same_weights_have_the_same_digest_in_every_save(
    kind: type[Odd], make_model: MakeModel, tmp_path: Path
) -> None:
    model = changed(kind, make_model)
    assert len({save_weights(model, tmp_path / "weights.safetensors") for _ in range(8)}) == 1


@pytest.mark.slow
def test_the_same_weights_have_the_same_digest_in_every_process(tmp_path: Path) -> None:
    code = (
        "import torch; from pathlib import Path; from torch import nn\n"
        "from zoo.training.checkpoint import save_weights\n"
        "torch.manual_seed(0); m = nn.ModuleList(nn.Linear(2, 2) for _ in range(6))\n"
        "for one in m[1:]: one.weight = m[0].weight; one.bias = m[0].bias\n"
        f"print(save_weights(m, Path({str(tmp_path / 'w')!r})))"
    )
    digests = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize("kind", [Odd, Shared, Parametrized])
def test_files_of_earlier_versions_are_loaded(kind: type[Odd], make_model: MakeModel, tmp_path: Path) -> None:
    saved, loaded, path = changed(kind, make_model), make_model(kind, seed=2).eval(), tmp_path / "weights.safetensors"
    save_model(saved, str(path))
    load_weights(loaded, path, _sha256(path))
    assert logits(loaded).equal(logits(saved))


@pytest.mark.parametrize(
    ("saved", "loaded", "message"),
    [
        (Odd, Conjugate, "'pole' is not in the file"),
        (Conjugate, Odd, "'pole' of the file is not in the model"),
        (Odd, Shared, "'again.weight' is not in the file"),
        (Strided, Expanded, "'scale' is not in the file"),
    ],
)
def test_a_name_that_is_missing_or_too_many_is_refused(
    saved: type[Odd], loaded: type[Odd], message: str, make_model: MakeModel, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    digest, model = save_weights(make_model(saved), path), make_model(loaded, seed=2)
    before = logits(model)
    with pytest.raises(RunError, match=f"do not fit {loaded.__name__} as it is now: {message}"):
        load_weights(model, path, digest)
    assert logits(model).equal(before)


@pytest.mark.parametrize("name", ["head.bias", "alone"])
def test_another_shape_or_type_is_refused(name: str, make_model: MakeModel, tmp_path: Path) -> None:
    path, model = tmp_path / "weights.safetensors", make_model(Types)
    digest = save_weights(model, path)
    dict(model.named_parameters() if "." in name else model.named_buffers())[name].data = torch.zeros(3).double()
    with pytest.raises(RunError, match=rf"'{name}' is \(.*\) float32, in the model \(3,\) float64"):
        load_weights(model, path, digest)


def test_a_tie_that_the_saved_model_did_not_have_is_refused(make_model: MakeModel, tmp_path: Path) -> None:
    path, loaded = tmp_path / "weights.safetensors", changed(TiedLater, make_model)
    with pytest.raises(RunError, match=r"'table\.weight' and 'head\.weight' are tied in the model, and not"):
        load_weights(loaded, path, save_weights(make_model(Odd), path))


def test_a_buffer_that_has_grown_since_the_best_point_is_put_back(make_model: MakeModel) -> None:
    model = make_model(Types)
    best = copy_state(model)
    model.none = torch.ones(7, 3)
    restore_state(model, best)
    assert model.none.shape == (0, 3)


def test_weights_that_were_tied_since_the_best_point_come_apart_again(make_model: MakeModel) -> None:
    model = make_model(TiedLater).eval()
    best, expected = copy_state(model), logits(model)
    model.change()
    restore_state(model, best)
    assert logits(model).equal(expected)
    assert sum(p.numel() for p in model.parameters()) == sum(tensor.numel() for tensor in best.values())


def test_state_that_is_no_tensor_is_refused_before_anything_is_trained(make_model: MakeModel, train: Train) -> None:
    class Extra(Odd):
        def get_extra_state(self) -> dict[str, int]:
            return {"seen": 1}

    with pytest.raises(UsageError, match=r"Extra: 'Extra' keeps extra state .* Make it a buffer"):
        train(make_model(Extra))


@pytest.mark.parametrize("kind", KINDS)
def test_training_leaves_the_weights_that_were_best(kind: type[Odd], make_model: MakeModel, train: Train) -> None:
    model, seen = make_model(kind), {}

    def look(progress: Progress) -> None:
        seen[progress.validation_loss] = logits(model.eval())
        model.train()

    fitted = train(model, steps=6, lr=0.3, report=look)
    assert fitted.best.step > 0
    assert logits(model.eval()).equal(seen[fitted.best.validation_loss])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
