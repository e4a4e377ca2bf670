"""Record the calls of a model's layers in one pass, by hooks: their order, shapes, FLOPs and activation memory.

A call is of a module, of another public method of one (`attention.stream`), or of an activation function between them
(`levels.0.tanh`). Only calls that take and return tensors of real numbers, or the embedding of tokens, are recorded.
Containers count what is inside of them.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial, wraps
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from zoo.probes.products import OperationCounter, count_into, list_uncounted

SQUASHING = ("tanh", "sigmoid")
RECTIFYING = ("relu", "gelu", "silu", "leaky_relu", "elu", "softplus", "mish")
FUNCTIONS = frozenset({*SQUASHING, *RECTIFYING, "softmax", "sdpa"})
"""Functions of torch that are recorded as layers of their own."""
SHORT = {"scaled_dot_product_attention": "sdpa"}


@dataclass
class Call:
    """A call of a layer."""

    path: str
    """Path of the module in the model; "" is the model itself."""
    suffix: str
    """Method or function; "" is `forward`."""
    kind: str
    """Class of the module, or the method or function."""
    depth: int
    """Number of recorded calls around it."""
    given: list[Tensor]
    """Tensors that it was given."""
    made: list[Tensor] = field(default_factory=list)
    taken: list[Any] = field(default_factory=list)
    """Nodes of autograd's graph that computed what it was given, when it began."""
    returned: list[Any] = field(default_factory=list)
    """Nodes that computed what it returns, when it ended: later work in place is not in them."""
    module: nn.Module | None = None
    """Module whose parameters it uses; None for a function."""
    flops: int = 0
    saved: int = 0
    """Bytes kept for the backward pass by it and the calls inside of it."""

    @property
    def name(self) -> str:
        """Path of the module, then the method or function."""
        return ".".join(part for part in (self.path, self.suffix) if part)


class Recorder:
    """Record one pass of a model: `with recorder.watch(): logits = model(tokens)`.

    Args:
        count: count FLOPs, in plain forms of fused operations; else memory for the backward pass.
        observe: called with every call when it ends, before anything can change its tensors.

    Attributes:
        calls: in the order in which they began.
    """

    def __init__(self, model: nn.Module, *, count: bool = False, observe: Callable[[Call], None] | None = None) -> None:
        self.calls, self._observe = list[Call](), observe
        self._model, self._products = model, OperationCounter() if count else None
        self._open, self._saved, self._own = list[tuple[Call, int, int]](), 0, set[int]()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record the calls inside."""
        self._own = {
            tensor.untyped_storage().data_ptr() for tensor in (*self._model.parameters(), *self._model.buffers())
        }
        with ExitStack() as stack:
            for name, module in self._model.named_modules():
                if type(module) is nn.Identity:  # it returns what it is given
                    continue
                stack.enter_context(self._hooked(name, module))
            stack.enter_context(_Functions(self))
            if self._products:
                stack.enter_context(count_into(self._products))
            else:
                stack.enter_context(torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor))
            yield

    @contextmanager
    def call(self, path: str, suffix: str, module: nn.Module | None, given: Any) -> Iterator[Call]:
        """Record what happens inside as one call; what it returns is put into `made`."""
        own = Call(path, suffix, suffix or type(module).__name__, len(self._open), tensors_of(given), module=module)
        own.taken = [tensor.grad_fn for tensor in own.given if tensor.grad_fn is not None]
        place = len(self.calls)
        self.calls.append(own)
        self._open.append((own, *self._spent()))
        try:
            yield own
        finally:
            self._close(own, place)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Operations that ran uncounted, so that FLOPs are a lower bound."""
        return tuple(sorted(list_uncounted(self._products))) if self._products else ()

    @property
    def inside(self) -> Call | None:
        """The innermost call that has not ended."""
        return self._open[-1][0] if self._open else None

    def _close(self, own: Call, place: int) -> None:
        _, flops, saved = self._open.pop()
        now = self._spent()
        own.flops, own.saved = now[0] - flops, now[1] - saved
        own.returned = [tensor.grad_fn for tensor in own.made if tensor.grad_fn is not None]
        if not any(tensor.is_floating_point() for tensor in own.made) or not own.given:
            del self.calls[place]
            for inner in self.calls[place:]:
                inner.depth -= 1
        elif self._observe:
            with torch.no_grad():
                self._observe(own)

    def _spent(self) -> tuple[int, int]:
        return self._products.flops if self._products else 0, self._saved

    def _keep(self, tensor: Tensor) -> Tensor:
        """Count the memory of a tensor that is kept for the backward pass once; it stays alive as long as the graph."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._own:
            self._own.add(storage.data_ptr())
            self._saved += storage.nbytes()
        return tensor.detach()

    @contextmanager
    def _hooked(self, name: str, module: nn.Module) -> Iterator[None]:
        """Record the calls of a module, and of its own public methods."""
        if isinstance(module, torch.jit.ScriptModule):  # takes no hooks
            yield
            return
        begun = list[tuple[AbstractContextManager[Call], Call]]()

        def begin(_: nn.Module, args: Any, kwargs: Any) -> None:
            context = self.call(name, "", module, (args, kwargs))
            begun.append((context, context.__enter__()))

        def end(_: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
            context, own = begun.pop()
            own.made = tensors_of(out)
            context.__exit__(None, None, None)

        handles = (
            module.register_forward_pre_hook(begin, with_kwargs=True),
            module.register_forward_hook(end, with_kwargs=True, always_call=True),  # also when it raises an exception
        )
        methods = _own_methods(module) if name else {}
        for method, function in methods.items():
            setattr(module, method, self._recorded(name, module, function))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            for method in methods:
                with suppress(AttributeError):
                    delattr(module, method)

    def _recorded(self, path: str, module: nn.Module, method: FunctionType) -> Callable[..., Any]:
        @wraps(method)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            with self.call(path, method.__name__, module, (args, kwargs)) as own:
                out = method(module, *args, **kwargs)
                own.made = tensors_of(out)
            return out

        return recorded


class _Functions(TorchFunctionMode):
    """Function mode that records activation functions, except in the module that is named like the function."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        run, name = partial(func, *args, **(kwargs or {})), getattr(func, "__name__", "").rstrip("_")
        around = self._recorder.inside
        name = SHORT.get(name, name)
        if name not in FUNCTIONS or around is None or around.kind.lower() == name.replace("_", ""):
            return run()
        with self._recorder.call(around.path, name, None, (args, kwargs)) as own:
            out = run()
            own.made = tensors_of(out)
        return out


def tensors_of(values: Any) -> list[Tensor]:
    """The tensors in arguments or results, in order."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _own_methods(module: nn.Module) -> dict[str, FunctionType]:
    """Public methods beside `forward` that the class of a module, or a base that is not torch's, defines."""
    found = dict[str, FunctionType]()
    for base in type(module).__mro__:
        if base.__module__.partition(".")[0] == "torch":
            break
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and not name.startswith("_") and name != "forward":
                found.setdefault(name, value)
    return {name: value for name, value in found.items() if not hasattr(nn.Module, name) and name not in vars(module)}
