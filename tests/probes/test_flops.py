"""FLOPs against formulas by hand: 2·in·out per position of a Linear, twice 2·T·T·C per row of attention."""

import copy
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from trained_models import TRAINED

from zoo.calls import parse_call
from zoo.catalog import MODELS
from zoo.models.build import build, model_config
from zoo.models.interface import ModelOptions, SequenceModel
from zoo.packing import Packing
from zoo.probes.flops import FlopCounter, Layout

V = 11


def make(text: str, context: int) -> SequenceModel:
    call = parse_call(text)
    kind = MODELS.get(call.name)
    return build(kind, model_config(kind, call.options, call.name), vocab_size=V, context=context, seed=0)


def bigram(o: SimpleNamespace, N: int, T: int) -> int:
    return 0


def bow(o: SimpleNamespace, N: int, T: int) -> int:
    return T * 2 * (2 * o.embedding * o.hidden + o.hidden * V)


def mlp(o: SimpleNamespace, N: int, T: int) -> int:
    return T * 2 * (N * o.embedding * o.hidden + o.hidden * V)


def inputs_of_levels(o: SimpleNamespace, N: int) -> list[int]:
    """Inputs of the Linear of each level: n embedded tokens, then n hidden vectors."""
    depth = next(depth for depth in range(1, 20) if o.n**depth == N)
    return [o.n * o.embedding] + [o.n * o.hidden] * (depth - 1)


def sliding_wavenet(o: SimpleNamespace, N: int, T: int) -> int:
    """FLOPs of all levels: each computes every position of the row, and one for the boundary tokens before it."""
    return (T + 1) * sum(2 * width * o.hidden for width in inputs_of_levels(o, N)) + T * 2 * o.hidden * V


def window_of_wavenet(o: SimpleNamespace, N: int, T: int) -> int:
    levels = sum(N // o.n ** (level + 1) * 2 * width * o.hidden for level, width in enumerate(inputs_of_levels(o, N)))
    return levels + 2 * o.hidden * V


def wavenet(o: SimpleNamespace, N: int, T: int) -> int:
    return T * window_of_wavenet(o, N, T) if o.tree else sliding_wavenet(o, N, T)


def dilated(layers: int) -> Callable[[SimpleNamespace, int, int], int]:
    def count(o: SimpleNamespace, N: int, T: int) -> int:
        conv, skip, residual = o.kernel * o.channels * 2 * o.channels, o.channels * o.skip, o.channels * o.channels
        return T * 2 * (layers * (conv + skip + residual) - residual + o.skip * o.skip + o.skip * V)

    return count


def recurrent(gates: int) -> Callable[[SimpleNamespace, int, int], int]:
    def count(o: SimpleNamespace, N: int, T: int) -> int:
        inputs = [o.embedding] + [o.hidden] * (o.layers - 1)
        return T * 2 * (sum(gates * o.hidden * (width + o.hidden) for width in inputs) + o.hidden * V)

    return count


def transformer(o: SimpleNamespace, N: int, T: int) -> int:
    C = o.channels
    block = T * 2 * (C * 3 * C + C * C + 2 * C * o.mlp * C) + 2 * (2 * T * T * C)
    return o.layers * block + T * 2 * C * V


def local_attention(o: SimpleNamespace, T: int) -> int:
    """Queries of a chunk read the keys of the window before it and their own; the last chunk is filled."""
    length = min(T, o.window)
    return T * 2 * 4 * o.channels**2 + -(-T // length) * length * 2 * (2 * (o.window + length) * o.channels)


def rg_lru(o: SimpleNamespace, N: int, T: int) -> int:
    C, D = o.channels, o.expand * o.channels
    recurrence = T * 2 * (C * 2 * D + o.conv * D + 2 * D * D // o.heads + D * C)
    attentions = o.layers // o.attention_every if o.attention_every else 0
    mixers = (o.layers - attentions) * recurrence + attentions * local_attention(o, T)
    return mixers + T * 2 * (o.layers * 2 * C * o.mlp * C + C * V)


def hybrid(o: SimpleNamespace, N: int, T: int) -> int:
    """The pattern rg-lru/rg-lru/local-attention, or rg-lru/attention."""
    last = len(o.pattern.split("/"))
    recurrent = rg_lru(SimpleNamespace(**vars(o), expand=1, conv=4, attention_every=last), N, T)
    everywhere = T * 2 * 4 * o.channels**2 + 2 * (2 * T * T * o.channels)
    return recurrent if "local" in o.pattern else recurrent - local_attention(o, T) + everywhere


def mamba(o: SimpleNamespace, N: int, T: int) -> int:
    C, D, rank = o.channels, o.expand * o.channels, -(-o.channels // 16)
    linear = C * 2 * D + o.conv * D + D * (rank + 2 * o.state) + rank * D + D * C
    mlp = 2 * C * o.mlp * C if o.block == "mlp" else 0
    return T * 2 * (o.layers * (linear + o.state * D + mlp) + C * V)


def beside_mamba(o: SimpleNamespace, T: int) -> int:
    """In rows the gradients of dt, u, B and C are four products of the size of a read, of which two are expected."""
    return o.layers * T * 2 * 2 * o.state * o.expand * o.channels if T > 1 else 0


def chunks(o: SimpleNamespace, T: int) -> tuple[int, int, int]:
    """Chunks of all heads, positions of one, channels of a head."""
    L = min(16, T)
    return o.heads * -(-T // L), L, o.channels // o.heads


def around_mixers(o: SimpleNamespace, T: int) -> int:
    """The MLPs and the head."""
    return T * 2 * (o.layers * 2 * o.channels * o.mlp * o.channels + o.channels * V)


def sums_of_decays(n: int, L: int) -> int:
    """From each position to each, from the start, and to the end."""
    return n * 2 * L * (L * L + 2 * L)


def gla(o: SimpleNamespace, N: int, T: int) -> int:
    (n, L, K), C = chunks(o, T), o.channels
    linear = T * 2 * (C * 4 * C + o.conv * 3 * C + C * C + (2 * C * 16 if o.decay == "gated" else 0))
    read = n * (2 * 2 * L * L * K * (T > 1) + 2 * 2 * L * K * K)
    sums = sums_of_decays(n, L) if o.decay == "head" and T > 1 else 0
    return o.layers * (linear + read + sums) + around_mixers(o, T)


def beside_gla(o: SimpleNamespace, T: int) -> int:
    """Fixed decays have no gradient; nor have the states around a single chunk, unless decays multiply the first.

    A step has no chunk.
    """
    if T == 1:
        return 0
    n, L, K = chunks(o, T)
    states = n * 2 * L * K * K * (2 if o.decay == "gated" else 3) if T <= 16 else 0
    return -o.layers * (states + (2 * sums_of_decays(n, L) if o.decay == "head" else 0))


def delta_net(o: SimpleNamespace, N: int, T: int) -> int:
    (n, L, K), C = chunks(o, T), o.channels
    linear = T * 2 * (C * 4 * C + o.conv * 3 * C + C * C + C * o.heads * (1 + o.gated))
    if T == 1:  # the old value, the write and the new value
        return o.layers * (linear + n * 2 * 3 * K * K) + around_mixers(o, T)
    products = n * 2 * (5 * L * L * K + 4 * L * K * K + K * K * K)
    system = n * L * L * L
    return o.layers * (linear + products + system + o.gated * sums_of_decays(n, L)) + around_mixers(o, T)


def beside_delta_net(o: SimpleNamespace, T: int) -> int:
    """A system's matrix has a gradient of twice its cost, sums of decays have one; the first and last state have none.

    A single chunk has no decay to its end. The old value of a single step has no gradient for a state of zeros.
    """
    n, L, K = chunks(o, T)
    if T == 1:
        return 0 if o.gated else -o.layers * n * 2 * K * K
    system = n * L * L * L
    states = n * 2 * 2 * (3 * L * K * K + K * K * K) if T <= 16 else o.heads * 3 * 2 * K * K * K
    sums = sums_of_decays(n, L) + (n * 2 * L * L if T <= 16 else 0) if o.gated else 0
    return o.layers * (system - states - sums)


def residual_blocks(o: SimpleNamespace, T: int, mixer: int) -> int:
    """FLOPs of blocks of a mixer and an MLP, and of the head."""
    return o.layers * (mixer + T * 2 * 2 * o.mlp * o.channels**2) + T * 2 * o.channels * V


def min_gru(o: SimpleNamespace, N: int, T: int) -> int:
    return residual_blocks(o, T, T * 2 * (3 * o.channels * o.expand * o.channels + o.conv * o.channels))


def matrices(o: SimpleNamespace, T: int) -> int:
    """FLOPs of writing the matrices of a layer, or of reading them: each T of a chunk of 16, filled up."""
    return 2 * -(-T // min(T, 16)) * min(T, 16) * o.channels * (o.channels // o.heads + 1)


def mlstm(o: SimpleNamespace, N: int, T: int) -> int:
    L, C, K = min(T, 16), o.channels, o.channels // o.heads
    scores = 2 * -(-T // L) * L * L * o.heads * (K + K + 1) if T > 1 else 0
    linear = T * 2 * (5 * C * C + C * 2 * o.heads + o.conv * C)
    sums = sums_of_decays(o.heads * -(-T // L), L) if T > 1 else 0
    return residual_blocks(o, T, linear + scores + 2 * matrices(o, T) + sums)


def beside_mlstm(o: SimpleNamespace, T: int) -> int:
    """Sums of decays have one gradient; what the only chunk writes is not read, nor is the first state learned.

    A step has no chunk.
    """
    if T == 1:
        return 0
    n, L, _ = chunks(o, T)
    return -o.layers * (sums_of_decays(n, L) + (3 * matrices(o, T) + n * 2 * L * L if T <= 16 else 0))


rnn, gru, lstm = recurrent(1), recurrent(3), recurrent(4)
BESIDE = {"gla": beside_gla, "delta-net": beside_delta_net, "mamba": beside_mamba, "mlstm": beside_mlstm}

CASES = [
    ("bigram", 8, bigram),
    ("bow", 8, bow),
    ("bow(embedding=5,hidden=7)", 3, bow),
    ("mlp", 8, mlp),
    ("mlp(embedding=3,hidden=5)", 4, mlp),
    ("wavenet", 8, wavenet),
    ("wavenet(embedding=3,hidden=5,n=4)", 16, wavenet),
    ("wavenet(tree=true)", 8, wavenet),
    ("wavenet(tree=true,norm=per-position,hidden=5,n=3)", 9, wavenet),
    ("dilated-wavenet", 8, dilated(3)),
    ("dilated-wavenet(channels=6,skip=5,kernel=3,stacks=2)", 13, dilated(4)),
    ("rnn", 8, rnn),
    ("rnn(embedding=3,hidden=5,layers=2)", 8, rnn),
    ("gru", 8, gru),
    ("gru(embedding=3,hidden=5,layers=3)", 8, gru),
    ("lstm", 8, lstm),
    ("lstm(embedding=3,hidden=5,layers=2,dropout=0.5)", 8, lstm),
    ("mlstm", 8, mlstm),
    ("mlstm(channels=12,heads=2,layers=3,conv=0)", 8, mlstm),
    ("min-gru", 8, min_gru),
    ("min-gru(channels=12,conv=3)", 8, min_gru),
    ("min-gru(channels=5,expand=3,layers=1,candidate=positive)", 8, min_gru),
    ("transformer", 8, transformer),
    ("transformer(channels=12,heads=3,layers=3,mlp=2)", 8, transformer),
    ("transformer(positions=learned,places=4,tied=true,dropout=0.5)", 8, transformer),
    ("rg-lru", 8, rg_lru),
    ("rg-lru(channels=12,heads=2,expand=3,layers=3,attention_every=2,window=5)", 8, rg_lru),
    ("hybrid", 8, hybrid),
    ("hybrid(pattern=rg-lru/attention,channels=24,heads=3)", 8, hybrid),
    ("mamba", 8, mamba),
    ("mamba(channels=20,state=5,conv=3,expand=3,layers=3,block=mlp,mlp=2)", 8, mamba),
    ("gla", 8, gla),
    ("gla(channels=12,heads=3,layers=1,decay=none)", 8, gla),
    ("gla(channels=12,heads=2,mlp=2,decay=head)", 8, gla),
    ("gla(channels=12,heads=2,conv=3)", 8, gla),
    ("delta-net", 8, delta_net),
    ("delta-net(channels=12,heads=3,layers=1,gated=false,negative=true)", 8, delta_net),
]


def options_of(model: SequenceModel) -> SimpleNamespace:
    return SimpleNamespace(**model.config.model_dump())


@pytest.mark.parametrize("T", [1, 17])
@pytest.mark.parametrize(("text", "context", "by_hand"), CASES)
def test_a_forward_pass_takes_what_a_formula_says(
    text: str, context: int, by_hand: Callable[[SimpleNamespace, int, int], int], T: int
) -> None:
    model = make(text, context)
    assert FlopCounter(model).forward(T) == by_hand(options_of(model), context, T)


@pytest.mark.parametrize("T", [1, 17])
@pytest.mark.parametrize(("text", "context", "by_hand"), CASES)
def test_training_takes_two_products_more_for_each_of_the_forward_pass(
    text: str, context: int, by_hand: Callable[[SimpleNamespace, int, int], int], T: int
) -> None:
    """One for the weights and one for the inputs, except for the initial state of a recurrence."""
    model, name = make(text, context), text.partition("(")[0]
    o = options_of(model)
    gates = {"rnn": 1, "gru": 3, "lstm": 4}.get(name, 0)
    start = gates * o.layers * 2 * o.hidden * o.hidden if gates else 0
    beside = BESIDE[name](o, T) if name in BESIDE else -start
    assert FlopCounter(model).training(T) == 3 * by_hand(o, context, T) + beside


def test_every_built_in_model_is_counted_by_hand() -> None:
    assert {text.partition("(")[0] for text, _, _ in CASES} == {*TRAINED}


@pytest.mark.parametrize("T", [4, 8, 20])
@pytest.mark.parametrize("text", ["wavenet(hidden=5)", "wavenet(hidden=5,n=3)", "wavenet(hidden=5,tree=true)"])
def test_a_window_with_one_target_is_one_tree_whatever_its_length(text: str, T: int) -> None:
    N = 9 if "n=3" in text else 8
    model = make(text, N)
    expected = window_of_wavenet(options_of(model), N, T)
    counter = FlopCounter(model, "windows")
    assert (counter.forward(T), counter.training(T)) == (expected, 3 * expected)


def test_a_window_of_the_mlp_is_one_position() -> None:
    model = make("mlp(hidden=5)", 4)
    assert FlopCounter(model, "windows").forward(9) == mlp(options_of(model), 4, 1)


def test_a_model_without_a_cheaper_way_pays_for_the_whole_window() -> None:
    model = make("gru(hidden=5)", 4)
    assert FlopCounter(model, "windows").forward(6) == gru(options_of(model), 4, 6)


@pytest.mark.parametrize("name", TRAINED)
def test_what_a_built_in_model_computes_is_counted_in_full(name: str) -> None:
    layouts: tuple[Layout, ...] = ("dense", "windows", "packed")
    for layout in layouts:
        found = FlopCounter(make(name, 8), layout).try_count(Counter({(2, 16, 32): 1}))
        assert (found.uncounted, found.fitted) == ((), False)


class Projected(SequenceModel):
    """An embedding, a layer, a head; subclasses define the layer's product."""

    def __init__(self, config: ModelOptions, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        self.embedding = nn.Embedding(vocab_size, 16)
        self.weight = nn.Parameter(torch.randn(16, 16) / 4)
        self.head = nn.Linear(16, vocab_size)

    def mix(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        return x @ self.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.mix(self.embedding(tokens)))


class Disguised(Projected):
    def mix(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(-1) * self.weight).sum(-2)


class Distances(Projected):
    """Computes distances: no product, but as much work."""

    def mix(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(-1) - self.weight).abs().sum(-2)


class Spectral(Projected):
    def mix(self, x: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(x @ self.weight), n=16)


class OnlyOnGPU(Projected):
    def mix(self, x: Tensor) -> Tensor:
        raise NotImplementedError("no kernel for a CPU\nand more")


def stranger(kind: type[SequenceModel]) -> SequenceModel:
    return build(kind, kind.Config(), vocab_size=V, context=8, seed=0)


@pytest.mark.parametrize(
    ("kind", "uncounted"),
    [
        (Projected, ()),
        (Disguised, ("elementwise arithmetic",)),
        (Distances, ("elementwise arithmetic",)),
        (Spectral, ("_fft_c2c", "_fft_c2r", "_fft_r2c")),
    ],
)
def test_what_a_count_leaves_out_is_told(kind: type[SequenceModel], uncounted: tuple[str, ...]) -> None:
    found = FlopCounter(stranger(kind)).try_count(Counter({(4, 8, 32): 3}))
    assert found.uncounted == uncounted
    products = 2 if kind in (Projected, Spectral) else 1
    assert found.total == 3 * 4 * 8 * 3 * (2 * 16 * V + (products - 1) * 2 * 16 * 16)


def test_flops_that_cannot_be_counted_are_told_with_the_reason() -> None:
    counter = FlopCounter(stranger(OnlyOnGPU))
    assert counter.try_count(Counter({(4, 8, 32): 3})) == (None, ("NotImplementedError: no kernel for a CPU",), False)
    with pytest.raises(NotImplementedError):
        counter.total(Counter({(4, 8, 32): 3}))


class RowByRow(Projected):
    """Attention within each row at its own length: with packed rows, the square of each length."""

    def packed(self, tokens: Tensor, packing: Packing) -> Tensor:
        x = self.embedding(tokens)
        rows = x.split(packing.lengths.tolist())
        return self.head(torch.cat([(row @ row.T).tril() @ row for row in rows]))


@pytest.mark.parametrize(("kind", "fitted"), [(Projected, False), (RowByRow, True)])
def test_flops_that_depend_on_every_length_are_told_to_be_fitted(kind: type[SequenceModel], fitted: bool) -> None:
    for length in (9, 30):
        found = FlopCounter(stranger(kind), "packed").try_count(Counter({(4, length, 3 * length): 1}))
        assert found.fitted == fitted


class Early(Projected):
    """Returns early if a row begins with an even token."""

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        return self.head(
            torch.stack(
                [self.mix(row) if row_tokens[0] % 2 else row for row, row_tokens in zip(x, tokens, strict=True)]
            )
        )


def test_flops_that_depend_on_what_the_tokens_are_are_told_to_be_fitted() -> None:
    assert FlopCounter(stranger(Early)).try_count(Counter({(4, 8, 32): 1})).fitted


def test_the_plain_counter_would_miss_the_lstm_and_fused_attention() -> None:
    """The reason for our own counter: once torch's sees these operations, ours can go."""
    for text in ("lstm", "transformer"):
        model = make(text, 8)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            model(torch.zeros(1, 17, dtype=torch.long))
        assert counter.get_total_flops() < FlopCounter(model).forward(17)


@pytest.mark.parametrize("text", ["wavenet", "lstm(dropout=0.5,layers=2)", "transformer(dropout=0.5)"])
def test_counting_leaves_no_trace(text: str) -> None:
    model = make(text, 8)
    random_numbers, onednn = torch.get_rng_state(), torch.backends.mkldnn.enabled
    counter = FlopCounter(model)
    counter.forward(5)
    counter.training(5)
    assert torch.equal(torch.get_rng_state(), random_numbers)
    assert torch.backends.mkldnn.enabled == onednn
    assert torch.backends.cuda.flash_sdp_enabled()
    assert all(parameter.grad is None for parameter in model.parameters())


class Normed(Projected):
    """Computes a weight before every call; such a model cannot be copied."""

    def __init__(self, config: object, *, vocab_size: int, context: int) -> None:
        super().__init__(config, vocab_size=vocab_size, context=context)
        with pytest.warns(FutureWarning, match="weight_norm"):
            torch.nn.utils.weight_norm(self.head)


def test_a_model_that_cannot_be_copied_is_counted() -> None:
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(stranger(Normed))
    shapes = Counter({(4, 8, 32): 1})
    assert (
        FlopCounter(stranger(Normed)).try_count(shapes).total
        == FlopCounter(stranger(Projected)).try_count(shapes).total
    )


def test_a_failing_model_leaves_the_kernels_as_they_were() -> None:
    class Fails(SequenceModel):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no")

    onednn = torch.backends.mkldnn.enabled
    with pytest.raises(RuntimeError, match="no"):
        FlopCounter(Fails(Fails.Config(), vocab_size=V, context=8)).forward(4)
    assert torch.backends.mkldnn.enabled == onednn
    assert torch.backends.cuda.flash_sdp_enabled()


def test_the_count_does_not_depend_on_the_weights() -> None:
    """A model that has been trained, or is in evaluation mode, or had gradients, counts the same."""
    model = make("wavenet", 8)
    expected = FlopCounter(model).training(8)
    model(torch.zeros(2, 8, dtype=torch.long)).sum().backward()
    assert FlopCounter(model.eval()).training(8) == expected


def test_the_total_is_over_steps_rows_and_lengths() -> None:
    counter = FlopCounter(make("transformer", 8))
    shapes = Counter({(3, 5, 15): 2, (4, 9, 36): 7})
    assert counter.total(shapes) == 2 * 3 * counter.training(5) + 7 * 4 * counter.training(9)
    assert counter.total(Counter()) == 0


def test_a_length_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = FlopCounter(make("gru", 8))
    first = counter.training(6)
    monkeypatch.setattr(counter, "_count", lambda *args, **options: pytest.fail("counted again"))
    assert counter.training(6) == first


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("lengths", [[1, 1, 1], [5, 1, 9, 2, 2], [16, 3], [17, 1, 4, 17, 17, 30, 2], [60, 7]], ids=str)
@pytest.mark.parametrize("name", TRAINED)
def test_packed_rows_count_what_the_very_batch_counts(name: str, lengths: list[int], backward: bool) -> None:
    counter = FlopCounter(make(name, 8), "packed")
    shape = len(lengths), max(lengths), sum(lengths)
    assert counter.total(Counter([shape]), backward=backward) == (counter._count(sorted(lengths)[::-1], backward).flops)
