"""FLOPs of every module of torch.nn and of the products of torch, against counts worked out by hand."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.probes.products import OperationCounter, count_into

B, T, C, H = 2, 6, 4, 8
Call = Callable[..., Any]


def counted(call: Call, *given: Any) -> tuple[int, int, OperationCounter]:
    """FLOPs of a forward pass, and of forward and backward; numbers stand for a tensor of that shape."""
    torch.manual_seed(0)
    tensors = [torch.randn(one, requires_grad=True) if isinstance(one, tuple) else one for one in given]
    products = OperationCounter()
    with count_into(products):
        out = call(*tensors)
        while not isinstance(out, Tensor):
            out = out[0]
        forward = products.flops
        if out.requires_grad:
            (out.abs() if out.is_complex() else out).sum().backward()
    return forward, products.flops, products


def tokens(*shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.long)


def words(text: str) -> list[str]:
    return text.split()


def complex_(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.cfloat, requires_grad=True)


def gates(inputs: int, hidden: int, count: int) -> int:
    """FLOPs of one step of a recurrence for one row."""
    return 2 * count * hidden * (inputs + hidden)


def attention(queries: int, keys: int, width: int) -> int:
    """FLOPs of attention for one row: four projections, scores and their sums over values."""
    return 2 * (2 * queries + 2 * keys) * width * width + 2 * 2 * queries * keys * width


def feed_forward(length: int) -> int:
    return 2 * 2 * length * C * H


X1, X2, X3 = (B, C, 9), (B, C, 9, 9), (B, C, 5, 5, 5)
ENCODER = B * (attention(T, T, C) + feed_forward(T))
DECODER = B * (attention(T, T, C) + attention(T, 5, C) + feed_forward(T))

# name -> module, inputs, FLOPs of the forward pass, and FLOPs of training beyond three times these
PRODUCTS: dict[str, list[tuple[Callable[[], Call], tuple[Any, ...], int, int]]] = {
    "Linear": [
        (lambda: nn.Linear(C, H), ((B, T, C),), 2 * B * T * C * H, 0),
        (lambda: nn.Linear(C, H, bias=False), ((C,),), 2 * C * H, 0),
        (lambda: nn.Linear(C, H, dtype=torch.cfloat), (complex_(B, T, C),), 4 * 2 * B * T * C * H, 0),
    ],
    "LazyLinear": [(lambda: nn.LazyLinear(H), ((B, T, C),), 2 * B * T * C * H, 0)],
    # Forward: x times W, summed over i; the result times y, over j. Gradient of x: over o to (i, j), then over j. Of y:
    # as forward. Of W: x times the gradient is elementwise, without a sum; then over the rows.
    "Bilinear": [
        (
            lambda: nn.Bilinear(4, 5, 3),
            ((B, 4), (B, 5)),
            2 * B * (3 * 4 * 5 + 3 * 5),
            2 * B * (4 * 5 - 3 * 5) + 2 * B * 3 * 4 * 5,
        )
    ],
    "Conv1d": [
        (lambda: nn.Conv1d(C, H, 3), (X1,), 2 * B * 7 * H * C * 3, 0),
        (lambda: nn.Conv1d(C, H, 3, groups=2), (X1,), 2 * B * 7 * H * (C // 2) * 3, 0),
        (lambda: nn.Conv1d(C, H, 3, groups=C), (X1,), 2 * B * 7 * H * 3, 0),
        (lambda: nn.Conv1d(C, C, 3, groups=C, padding=2, dilation=2), (X1,), 2 * B * 9 * C * 3, 0),
        (lambda: nn.Conv1d(C, H, 3, stride=2, groups=2), (X1,), 2 * B * 4 * H * (C // 2) * 3, 0),
        (lambda: nn.Conv1d(C, H, 3, groups=2), ((C, 9),), 2 * 7 * H * (C // 2) * 3, 0),
        # a complex convolution takes three real ones
        (lambda: nn.Conv1d(C, H, 3, dtype=torch.cfloat), (complex_(*X1),), 3 * 2 * B * 7 * H * C * 3, 0),
    ],
    "Conv2d": [
        (lambda: nn.Conv2d(C, H, 3), (X2,), 2 * B * 49 * H * C * 9, 0),
        (lambda: nn.Conv2d(C, H, (3, 1), groups=2, dilation=2), (X2,), 2 * B * 45 * H * (C // 2) * 3, 0),
        (lambda: nn.Conv2d(C, C, 3, groups=C, stride=2, padding=1), (X2,), 2 * B * 25 * C * 9, 0),
    ],
    "Conv3d": [(lambda: nn.Conv3d(C, H, 3, groups=2), (X3,), 2 * B * 27 * H * (C // 2) * 27, 0)],
    "ConvTranspose1d": [
        (lambda: nn.ConvTranspose1d(C, H, 3), (X1,), 2 * B * 9 * C * H * 3, 0),
        (lambda: nn.ConvTranspose1d(C, H, 3, groups=2, stride=2), (X1,), 2 * B * 9 * C * (H // 2) * 3, 0),
        (lambda: nn.ConvTranspose1d(C, C, 3, groups=C, dilation=2), (X1,), 2 * B * 9 * C * 3, 0),
    ],
    "ConvTranspose2d": [(lambda: nn.ConvTranspose2d(C, H, 3, groups=4), (X2,), 2 * B * 81 * C * (H // 4) * 9, 0)],
    "ConvTranspose3d": [(lambda: nn.ConvTranspose3d(C, H, 2, groups=2), (X3,), 2 * B * 125 * C * (H // 2) * 8, 0)],
    # the initial state of a recurrence needs no gradient
    "RNN": [
        (lambda: nn.RNN(C, H, batch_first=True), ((B, T, C),), B * T * gates(C, H, 1), -2 * B * H * H),
        (
            lambda: nn.RNN(C, H, num_layers=2, bidirectional=True, batch_first=True),
            ((B, T, C),),
            2 * B * T * (gates(C, H, 1) + gates(2 * H, H, 1)),
            -4 * 2 * B * H * H,
        ),
    ],
    "GRU": [
        (lambda: nn.GRU(C, H, batch_first=True), ((B, T, C),), B * T * gates(C, H, 3), -2 * B * 3 * H * H),
        (
            lambda: nn.GRU(C, H, bidirectional=True),
            ((T, B, C),),
            2 * B * T * gates(C, H, 3),
            -2 * 2 * B * 3 * H * H,
        ),
    ],
    "LSTM": [
        (lambda: nn.LSTM(C, H, batch_first=True), ((B, T, C),), B * T * gates(C, H, 4), -2 * B * 4 * H * H),
        (
            lambda: nn.LSTM(C, H, proj_size=3, batch_first=True),
            ((B, T, C),),
            B * T * 2 * (4 * H * (C + 3) + H * 3),
            -2 * B * 4 * H * 3,
        ),
    ],
    "RNNCell": [(lambda: nn.RNNCell(C, H), ((B, C), (B, H)), B * gates(C, H, 1), 0)],
    "GRUCell": [(lambda: nn.GRUCell(C, H), ((B, C), (B, H)), B * gates(C, H, 3), 0)],
    "LSTMCell": [
        (
            lambda: partial(lambda cell, x, h: cell(x, (h, h)), nn.LSTMCell(C, H)),
            ((B, C), (B, H)),
            B * gates(C, H, 4),
            0,
        )
    ],
    "MultiheadAttention": [
        (
            lambda: partial(lambda block, x: block(x, x, x), nn.MultiheadAttention(C, 2, batch_first=True)),
            ((B, T, C),),
            B * attention(T, T, C),
            0,
        ),
        (
            lambda: partial(lambda block, x, y: block(x, y, y, need_weights=False), nn.MultiheadAttention(C, 2)),
            ((T, B, C), (5, B, C)),
            B * attention(T, 5, C),
            0,
        ),
    ],
    "TransformerEncoderLayer": [
        (lambda: nn.TransformerEncoderLayer(C, 2, H, batch_first=True), ((B, T, C),), ENCODER, 0)
    ],
    "TransformerDecoderLayer": [
        (lambda: nn.TransformerDecoderLayer(C, 2, H, batch_first=True), ((B, T, C), (B, 5, C)), DECODER, 0)
    ],
    "TransformerEncoder": [
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(C, 2, H, batch_first=True), 3),
            ((B, T, C),),
            3 * ENCODER,
            0,
        )
    ],
    "TransformerDecoder": [
        (
            lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(C, 2, H, batch_first=True), 3),
            ((B, T, C), (B, 5, C)),
            3 * DECODER,
            0,
        )
    ],
    "Transformer": [
        (
            lambda: nn.Transformer(C, 2, 1, 1, H, batch_first=True),
            ((B, 5, C), (B, T, C)),
            B * (attention(5, 5, C) + feed_forward(5)) + DECODER,
            0,
        )
    ],
    "EmbeddingBag": [
        (lambda: nn.EmbeddingBag(10, C), (tokens(B, T),), 0, 0),
        (lambda: partial(nn.EmbeddingBag(10, C, mode="sum"), tokens(B, T), None), ((B, T),), 2 * B * T * C, 0),
    ],
    # a head of 4 + 1 logits, and for the two of three targets in it a tail of 6 through C // 4 channels
    "AdaptiveLogSoftmaxWithLoss": [
        (
            lambda: lambda x: nn.AdaptiveLogSoftmaxWithLoss(C, 10, [4])(x, torch.tensor([0, 7, 8])),
            ((3, C),),
            2 * 3 * C * 5 + 2 * 2 * (C * 1 + 1 * 6),
            0,
        )
    ],
    "LinearCrossEntropyLoss": [
        (
            lambda: lambda x: nn.LinearCrossEntropyLoss(C, 10)(x, tokens(3)),
            ((3, C),),
            2 * 3 * C * 10,
            0,
        )
    ],
}  # fmt: skip
UNIT, POSITIVE = torch.rand(B, 3, requires_grad=True), torch.rand(B, 3) + 0.1
pooled = {"MaxPool": (2,), "AvgPool": (2,), "LPPool": (2, 2), "AdaptiveAvgPool": (2,), "AdaptiveMaxPool": (2,)}
padded = {"CircularPad": (1,), "ConstantPad": (1, 0.5), "ReflectionPad": (1,), "ReplicationPad": (1,), "ZeroPad": (1,)}
normed = {"BatchNorm": (C,), "InstanceNorm": (C,), "LazyBatchNorm": (), "LazyInstanceNorm": (), "Dropout": (0.5,)}

ACTIVATIONS = words(
    """
    AlphaDropout CELU ELU FeatureAlphaDropout Flatten GELU Hardshrink Hardsigmoid Hardswish Hardtanh Identity LeakyReLU
    LogSigmoid Mish PReLU RReLU ReLU ReLU6 SELU SiLU Sigmoid Softplus Softshrink Softsign Tanh Tanhshrink
    """
)
# name -> arguments and inputs of modules without products: additions, moves, norms, activations, losses
NOTHING: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    **{
        f"{name}{d}d": (arguments, (shape,))
        for name, arguments in (pooled | padded | normed).items()
        for d, shape in ((1, X1), (2, X2), (3, X3))
    },
    **dict.fromkeys(ACTIVATIONS, ((), (X1,))),
    **dict.fromkeys(("LogSoftmax", "Softmax", "Softmin"), ((-1,), (X1,))),
    **dict.fromkeys(("HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss", "PoissonNLLLoss"), ((), (UNIT, POSITIVE))),
    **{name: ((), (UNIT, POSITIVE.clamp(0, 1))) for name in ("BCELoss", "BCEWithLogitsLoss", "KLDivLoss")},
    **{name: ((), ((B, 3), tokens(B))) for name in ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")},
    **{name: ((), ((B, 3), torch.ones(B, 3))) for name in ("HingeEmbeddingLoss", "SoftMarginLoss")},
    **dict.fromkeys(("TripletMarginLoss", "TripletMarginWithDistanceLoss"), ((), ((B, 3), (B, 3), (B, 3)))),
    "ChannelShuffle": ((2,), (X2,)),
    "CosineEmbeddingLoss": ((), ((B, 3), (B, 3), torch.ones(B))),
    "CosineSimilarity": ((), ((B, 3), (B, 3))),
    "CrossMapLRN2d": ((2,), (X2,)),
    "Dropout": ((), (X1,)),
    "Embedding": ((10, C), (tokens(B, T),)),
    "Fold": (((4, 4), 2), ((B, C * 4, 9),)),
    "FractionalMaxPool2d": ((2, 3), (X2,)),
    "FractionalMaxPool3d": ((2, 3), (X3,)),
    "GLU": ((1,), (X1,)),
    "GaussianNLLLoss": ((), (UNIT, POSITIVE, POSITIVE)),
    "GroupNorm": ((2, C), (X1,)),
    "LayerNorm": ((9,), (X1,)),
    "LocalResponseNorm": ((2,), (X2,)),
    "MarginRankingLoss": ((), ((B,), (B,), torch.ones(B))),
    "MaxUnpool1d": ((2,), ((B, C, 4), 2 * torch.arange(4).expand(B, C, 4))),
    "MaxUnpool2d": ((2,), ((B, C, 2, 2), torch.tensor([[0, 2], [8, 10]]).expand(B, C, 2, 2))),
    "MaxUnpool3d": ((2,), ((B, C, 1, 1, 1), tokens(B, C, 1, 1, 1))),
    "MultiLabelMarginLoss": ((), ((B, 3), tokens(B, 3))),
    "MultiLabelSoftMarginLoss": ((), ((B, 3), torch.ones(B, 3))),
    "NLLLoss2d": ((), ((B, C, 3, 3), tokens(B, 3, 3))),
    "PairwiseDistance": ((), ((B, 3), (B, 3))),
    "PixelShuffle": ((2,), (X2,)),
    "PixelUnshuffle": ((3,), (X2,)),
    "RMSNorm": ((9,), (X1,)),
    "Softmax2d": ((), (X2,)),
    "Threshold": ((0.1, 0.0), (X1,)),
    "Unflatten": ((1, (2, 2)), (X1,)),
    "Unfold": ((2,), (X2,)),
    "Upsample": ((None, 2), (X1,)),
    "UpsamplingBilinear2d": ((None, 2), (X2,)),
    "UpsamplingNearest2d": ((None, 2), (X2,)),
}

NOT_RUN = {
    "CTCLoss": "its recursion over alignments is one operation of unknown cost, and is told so",
    **{
        f"Lazy{name}{d}d": f"becomes a {name}{d}d at its first call"
        for name in ("Conv", "ConvTranspose")
        for d in (1, 2, 3)
    },
    "DataParallel": "runs the module inside of it",
    "SyncBatchNorm": "on GPUs alone; BatchNorm otherwise",
    **dict.fromkeys(("Module", "RNNBase", "RNNCellBase"), "abstract"),
    **dict.fromkeys(
        ("Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"), "holds others"
    ),
}

CASES = [
    pytest.param(*case, id=f"{name}-{number}") for name, cases in PRODUCTS.items() for number, case in enumerate(cases)
]


@pytest.mark.parametrize(("make", "given", "forward", "beside"), CASES)
def test_a_module_takes_what_its_products_take_by_hand(
    make: Callable[[], Call], given: tuple[Any, ...], forward: int, beside: int
) -> None:
    found = counted(make(), *given)
    assert found[:2] == (forward, 3 * forward + beside)
    assert not found[2].unknown


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning", "ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", NOTHING)
def test_a_module_without_products_counts_nothing_and_is_known(name: str) -> None:
    arguments, given = NOTHING[name]
    _, total, products = counted(getattr(nn, name)(*arguments), *given)
    assert (total, products.unknown) == (0, set())


def test_every_module_of_torch_is_counted_by_hand() -> None:
    modules = {name for name, kind in vars(nn).items() if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    lists = [set(PRODUCTS), set(NOTHING), set(NOT_RUN)]
    assert modules == set.union(*lists)
    assert sum(map(len, lists)) == len(modules)


def triangular(**options: bool) -> Call:
    """Solve a system whose matrix is lower triangular with ones on its diagonal."""
    return lambda a, b: torch.linalg.solve_triangular(a, b, upper=False, unitriangular=True, **options)


# name -> product of tensors, inputs, FLOPs of the forward pass, and FLOPs of training beyond three times these
OF_TENSORS: dict[str, tuple[Call, tuple[Any, ...], int, int]] = {
    "matmul": (torch.matmul, ((B, T, C), (C, H)), 2 * B * T * C * H, 0),
    "bmm": (torch.bmm, ((B, T, C), (B, C, H)), 2 * B * T * C * H, 0),
    "addmm": (torch.addmm, ((T, H), (T, C), (C, H)), 2 * T * C * H, 0),
    "baddbmm": (torch.baddbmm, ((B, T, H), (B, T, C), (B, C, H)), 2 * B * T * C * H, 0),
    "addbmm": (torch.addbmm, ((T, H), (B, T, C), (B, C, H)), 2 * B * T * C * H, 0),
    "inner": (torch.inner, ((T, C), (H, C)), 2 * T * C * H, 0),
    "tensordot": (lambda a, b: torch.tensordot(a, b, dims=1), ((B, T, C), (C, H)), 2 * B * T * C * H, 0),
    "einsum": (lambda a, b: torch.einsum("btc,bsc->bts", a, b), ((B, T, C), (B, T, C)), 2 * B * T * T * C, 0),
    "einsum of rows": (lambda a, b: torch.einsum("btc,btc->bt", a, b), ((B, T, C), (B, T, C)), 2 * B * T * C, 0),
    "multi_dot": (lambda *m: torch.linalg.multi_dot(m), ((4, 5), (5, 3), (3, 6)), 2 * (4 * 5 * 3 + 4 * 3 * 6), 0),
    "complex": (torch.matmul, (complex_(T, C), complex_(C, H)), 4 * 2 * T * C * H, 0),
    # the gradient of a vector is a product again, that of its factor an outer product, without a sum
    "mv": (torch.mv, ((T, C), (C,)), 2 * T * C, -2 * T * C),
    "rows by a vector": (lambda x, v: x @ v, ((B, T, C), (C,)), 2 * B * T * C, -2 * B * T * C),
    "addmv": (torch.addmv, ((T,), (T, C), (C,)), 2 * T * C, -2 * T * C),
    "dot": (torch.dot, ((C,), (C,)), 2 * C, -2 * 2 * C),
    "outer": (torch.outer, ((T,), (H,)), 0, 0),
    "addr": (torch.addr, ((T, H), (T,), (H,)), 0, 2 * 2 * T * H),
    # the gradient of the right side is such a system again, that of the matrix a whole product, twice as many
    "triangular systems": (triangular(), ((B, C, C), (B, C, H)), B * C * C * H, B * C * C * H),
    "triangular systems of rows": (triangular(left=False), ((B, C, C), (B, H, C)), B * C * C * H, B * C * C * H),
    "one triangular matrix for all": (triangular(), ((C, C), (B, C, H)), B * C * C * H, B * C * C * H),
}


@pytest.mark.parametrize("name", OF_TENSORS)
def test_a_product_of_tensors_takes_what_it_takes_by_hand(name: str) -> None:
    call, given, forward, beside = OF_TENSORS[name]
    found = counted(call, *given)
    assert found[:2] == (forward, 3 * forward + beside)
    assert not found[2].unknown


# the same for operations that load torch's compiler, which takes seconds
COMPILER: dict[str, tuple[Call, tuple[Any, ...], int, int]] = {
    "checkpoint": (  # the backward pass recomputes the first product
        lambda x, w: checkpoint(lambda x, w: torch.tanh(x @ w) @ w.T, x, w, use_reentrant=False),
        ((T, C), (C, H)),
        2 * 2 * T * C * H,
        2 * T * C * H,
    ),
    "cond": (
        lambda x, w: torch.cond(x.sum() < 1e9, lambda x, w: x @ w, lambda x, w: x @ w @ w.T @ w, (x, w)),
        ((T, C), (C, H)),
        2 * T * C * H,
        0,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILER)
def test_a_product_inside_of_an_operation_is_counted(name: str) -> None:
    call, given, forward, beside = COMPILER[name]
    assert counted(call, *given)[:2] == (forward, 3 * forward + beside)


def test_a_product_of_nested_rows_is_that_of_their_tokens() -> None:
    def call(a: Tensor, b: Tensor, w: Tensor) -> Tensor:
        rows = torch.nested.as_nested_tensor([a, b], layout=torch.jagged)
        return nn.functional.linear(rows, w).values()

    assert counted(call, (5, C), (2, C), (H, C))[:2] == (2 * 7 * C * H, 3 * 2 * 7 * C * H)


def test_a_product_of_groups_of_rows_meets_one_matrix_a_row() -> None:
    ends = torch.tensor([8, 16], dtype=torch.int32)
    call = lambda x, w: torch._grouped_mm(x.bfloat16(), w.bfloat16(), offs=ends).square()  # noqa: E731
    assert counted(call, (16, 16), (2, 16, 32))[:2] == (2 * 16 * 16 * 32, 3 * 2 * 16 * 16 * 32)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_flex_attention_counts_every_pair_as_other_attention_does(compiled: bool) -> None:
    """Its gradient, which torch 2.13 refuses on a CPU, is counted too."""
    from torch.nn.attention.flex_attention import flex_attention

    call = torch.compile(flex_attention, fullgraph=True) if compiled else flex_attention
    x = torch.randn(B, 2, T, C, requires_grad=True)
    forward, training, products = counted(
        lambda x: call(x, x, x, score_mod=lambda score, b, h, q, k: torch.where(q >= k, score, -torch.inf)), x
    )
    assert (forward, training) == (2 * 2 * B * 2 * T * T * C, 3 * 2 * 2 * B * 2 * T * T * C)
    assert not products.unknown
    with pytest.raises(NotImplementedError, match="backward on CPU"):  # the replacement of the check is gone
        flex_attention(x, x, x)


class ThroughNumpy(torch.autograd.Function):
    """A product in numpy, invisible to the counter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(np.tanh(x.detach().numpy() @ np.eye(C, dtype=np.float32)))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class StraightThrough(torch.autograd.Function):
    """A custom autograd function made of torch operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x @ torch.eye(C)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient @ torch.eye(C)


@torch.library.custom_op("zoo_tests::product", mutates_args=())
def product(a: Tensor, b: Tensor) -> Tensor:
    return a @ b


UNKNOWN: dict[str, tuple[Call, set[str]]] = {
    "fft": (lambda x: torch.fft.rfft(x).abs(), {"_fft_c2c", "_fft_r2c"}),
    "inverse": (lambda x: torch.linalg.inv(x[:C]), {"linalg_inv_ex"}),
    "distances": (lambda x: torch.cdist(x, x, p=1.0), {"_cdist_forward", "_cdist_backward"}),
    "numpy": (ThroughNumpy.apply, {"Tensor.numpy"}),
    "storage": (lambda x: x * (x.untyped_storage().data_ptr() > 0), {"Tensor.untyped_storage"}),
    "pointers": (lambda x: x * (x.data_ptr() > 0), {"Tensor.data_ptr"}),
    "custom": (lambda x: x + product(x.detach(), x.detach().T).sum(), {"zoo_tests.product"}),
    "sparse": (
        lambda x: x + torch.sparse.mm(x.detach().to_sparse(), x.detach().T).sum(),
        {"_sparse_addmm", "_to_sparse"},
    ),
    "nothing": (StraightThrough.apply, set()),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "custom")) for n in UNKNOWN])
def test_what_nobody_can_count_is_told_by_name(name: str) -> None:
    call, expected = UNKNOWN[name]
    _, _, products = counted(call, (T, C))
    assert expected <= products.unknown
    assert bool(expected) == bool(products.unknown)


@pytest.mark.parametrize("B", [1, 3])
def test_a_product_in_disguise_has_an_element_for_each_flop_that_it_hides(B: int) -> None:
    open_, _, _ = counted(lambda a, b: a @ b, (B, T, C), (C, H))
    hidden, _, products = counted(lambda a, b: (a.unsqueeze(-1) * b).sum(-2).detach(), (B, T, C), (C, H))
    assert hidden == 0
    assert products.elements == open_


@pytest.mark.slow
def test_compiled_code_is_counted_as_it_is_written() -> None:
    w = torch.randn(C, C, requires_grad=True)
    call = torch.compile(lambda x: torch.tanh(x @ w), fullgraph=True)
    assert counted(call, (T, C))[:2] == (2 * T * C * C, 3 * 2 * T * C * C)


@pytest.mark.slow
def test_counting_a_model_without_compiled_code_does_not_load_the_compiler() -> None:
    """Loading the compiler takes seconds."""
    code = (
        "import sys, torch; from zoo.probes.products import OperationCounter, count_into\n"
        "with count_into(OperationCounter()): torch.nn.Linear(2, 3)(torch.ones(2)).sum().backward()\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
