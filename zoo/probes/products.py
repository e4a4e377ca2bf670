"""Count FLOPs of the operations that run, and record those that a count of products leaves out."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator, OpOverload
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.probes.formulas import FORMULAS
from zoo.probes.operations import LEAVING, is_elementwise, is_move

LARGE_SHARE = 0.25
"""Elementwise operations per FLOP above which a count is incomplete. Built-in models of ordinary width have at most
0.08; (a.unsqueeze(-1) * b).sum(-2) has 1 per FLOP of the equivalent matrix product."""
ELEMENTWISE = "elementwise arithmetic"
FLEX = "torch.nn.attention.flex_attention"


class OperationCounter(TorchDispatchMode):
    """Dispatch mode that counts every operation inside, including the backward pass.

    Attributes:
        flops: those of matrix products, convolutions and attention; two per multiply-add, eight if complex.
        elements: number that all other arithmetic reads or writes, whichever is larger.
        unknown: names of operations of unknown cost.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.elements = 0
        self.unknown = set[str]()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: with True torch loads its compiler, which takes seconds, to exclude the calls here from it."""
        return False

    def __torch_dispatch__(
        self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(op, HigherOrderOperator):
            self.unknown.add(op.name())
            return op(*args, **kwargs)
        if any(kind.__torch_dispatch__ != torch.Tensor.__torch_dispatch__ for kind in types):
            return NotImplemented  # a tensor subclass runs plain operations, which are dispatched here
        with self:
            out = op.decompose(*args, **kwargs)  # into parts, each dispatched here
        if out is NotImplemented:
            out = op(*args, **kwargs)
            self._count(op, args, kwargs, out)
        return out

    def _count(self, op: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any], out: Any) -> None:
        kind = op.overloadpacket
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        formula = FORMULAS.get(kind)
        if formula and all(tensor.layout == torch.strided for tensor in given):
            times = 4 if any(tensor.is_complex() for tensor in given) else 1
            self.flops += times * formula(*args, **kwargs, out_val=out)
        elif is_move(op) or not given:
            return
        elif is_elementwise(op):
            made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
            self.elements += max(tensor.numel() for tensor in given + made)
        else:
            self.unknown.add(str(kind).removeprefix("aten."))


def list_uncounted(products: OperationCounter) -> frozenset[str]:
    """Operations that a count leaves out, so that it is a lower bound."""
    large = products.elements > LARGE_SHARE * products.flops
    return frozenset(products.unknown | ({ELEMENTWISE} if large else set()))


class PlainForms(TorchFunctionMode):
    """Function mode that runs higher-order operations (flex_attention) in plain forms, and records exits from torch.

    Attributes:
        left: methods that gave tensors to uncounted code: numpy, numba, a C library.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left = set[str]()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name in LEAVING:
            self.left.add(f"Tensor.{name}")
        if not isinstance(func, HigherOrderOperator):
            return func(*args, **kwargs)
        with self:
            return _plain_form(func)(*args, **kwargs)


def _plain_form(op: HigherOrderOperator) -> Callable[..., Any]:
    """Return the uncompiled form of an operation, made of operations that autograd supports."""
    if op is torch.ops.higher_order.cond:  # its plain form fails under a dispatch mode
        return lambda condition, true, false, given=(): (true if condition else false)(*given)
    form: Callable[..., Any] = op.py_kernels.get(DispatchKey.CompositeExplicitAutograd, op)
    return form


@contextmanager
def count_into(products: OperationCounter) -> Iterator[None]:
    """Count the operations inside into `products`, in plain forms that expose their products."""
    plain = PlainForms()
    with _plain_kernels(), plain, products:
        yield
    products.unknown |= plain.left


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Turn off fused attention, oneDNN's LSTM and torch.compile, and allow gradients of flex_attention on a CPU.

    (`torch.backends.mkldnn.flags` would set more, and warn.)
    """
    set_flags = torch.backends.mkldnn.set_flags
    before = set_flags(_enabled=False, _fp32_precision=None)[0]
    try:
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            if "torch._dynamo" in sys.modules:  # fullgraph=True is an error under a count
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            if FLEX in sys.modules:
                stack.enter_context(patch(f"{FLEX}._validate_device"))
                stack.enter_context(patch(f"{FLEX}._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True))
            yield
    finally:
        set_flags(_enabled=before, _fp32_precision=None)
