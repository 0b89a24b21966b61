"""Runs of convolutions in a frozen model, each as one operator, conv_chain: one call from Python, and depth first."""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import profiler
from torch.fx import Graph, GraphModule, Node
from torch.nn.modules import module as torch_modules
from torch.utils.hooks import RemovableHandle

from torchconv import _C, plan
from torchconv._direct import Kernels, kernels_of, transformed
from torchconv.errors import TorchconvError, operator_message
from torchconv.nn.fused import FusedConv, FusedLinear

_MOST_SHAPES = 64  # of the inputs, for which a chain remembers what it needs

_hooks = operator.attrgetter("_forward_hooks")
_pre_hooks = operator.attrgetter("_forward_pre_hooks")
_backward_hooks = operator.attrgetter("_backward_hooks", "_backward_pre_hooks")
_version = operator.attrgetter("_version")


def _replaced(module: torch.nn.Module) -> bool:
    """Whether a forward was put on the instance, or compiled there."""
    return "forward" in vars(module) or module._compiled_call_impl is not None


def looked_at(module: torch.nn.Module) -> bool:
    """Whether hooks or a forward of its own want a module to be called itself."""
    return bool(_hooks(module) or _pre_hooks(module) or any(_backward_hooks(module)) or _replaced(module))


def _wants_gradients(tensors: Iterable[Tensor | None]) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _lie_alike(images: list[Tensor]) -> bool:
    """Whether all are dense in the same format and in no other.

    Of one pixel or one channel an image lies in both, and who reads it decides in which.
    """
    formats = (torch.channels_last, torch.contiguous_format)
    found = {tuple(x.is_contiguous(memory_format=f) for f in formats) for x in images}
    return found in ({(True, False)}, {(False, True)})


class _Head:
    """The mean of each channel and a linear layer of these, with which classifiers end."""

    def __init__(self, pool: Any, flatten: Any, linear: FusedLinear) -> None:
        self.pool, self.flatten, self.linear = pool, flatten, linear
        self.modules = tuple(m for m in (pool, flatten, linear) if isinstance(m, torch.nn.Module))

    def __call__(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.flatten(self.pool(x)))
        return y

    def prepare(self, x: Tensor) -> tuple[Any, ...] | None:
        """What conv_fused takes beside the means of such an x, if it takes them."""
        m, means = self.linear, self.pool(x)
        if means.shape != (*x.shape[:2], 1, 1) or means.dtype != m.weight.dtype or not kernels_of((m.weight, m.bias)):
            return None
        rest, algo = m._geometry(means), m._algo()
        return m.weight, m.bias, None, m._prepared(means, None, rest, algo)[0], *rest, m.activation, algo

    def direct(self, kernels: Kernels, x: Tensor, prepared: tuple[Any, ...]) -> Tensor:
        """The same, past the modules."""
        means = self.pool(x)
        pixels = means.shape[2:] == (1, 1)  # the module may give others by now
        return kernels.conv_fused(means, *prepared).flatten(1) if pixels else self.linear(self.flatten(means))


class _Prepared(NamedTuple):
    """What conv_chain takes beside the inputs, csrc/chain_op.cpp; and what the head's conv_fused takes."""

    tensors: list[Tensor]
    steps: list[int]
    results: list[int]
    names: list[str]
    head: tuple[Any, ...] | None


class _State:
    """The weights and biases of the convolutions, and whatever else decides what they compute, at one time."""

    def __init__(self, parameters: list[dict[str, Any]]) -> None:
        self.tensors = [held.get(name) for name in ("weight", "bias") for held in parameters]
        weights: Any = self.tensors[: len(parameters)]
        self.now = (
            list(map(_version, weights)), list(map(Tensor.data_ptr, weights)), FusedConv.changes,
            _C.plan_generation(), _C.current_isa(), plan.default_algo,
        )  # fmt: skip

    def is_that_of(self, other: "_State") -> bool:
        return all(map(operator.is_, self.tensors, other.tensors)) and self.now == other.now


class Chain(torch.nn.Module):
    """FusedConvs one after another as one operator. Values are numbered: the inputs, then the result of each.

    A head may follow, which takes the place of its argument, the last result.

    The convolutions run one by one for the first time, and wherever something wants to see each of them: hooks,
    gradients, autocast, and torch's modes and transforms.
    """

    def __init__(
        self, convs: list[FusedConv], sources: list[tuple[int, int | None]], results: list[int], head: _Head | None
    ) -> None:
        super().__init__()
        self.convs = tuple(convs)  # the model's, and so no modules of this one
        self.sources = sources  # for each convolution, which values are its x and its residual
        self.results, self.head = results, head
        self._modules_of = (*convs, *(head.modules if head else ()))
        self._parameters_of = [m._parameters for m in self._modules_of if isinstance(m, FusedConv)]
        self._unwatched: tuple[int, int] | None = None
        self._known: tuple[_State | None, dict[Any, _Prepared | None]] = None, {}

    def forward(self, *inputs: Tensor) -> Any:
        kernels = None if transformed() or self._watched() else kernels_of(inputs)
        state = None if kernels is None else self._state()
        if kernels is None or state is None or _wants_gradients((*inputs, *state.tensors)):
            return self._results(self._one_by_one(inputs))
        then, by_shapes = self._known
        same = then is not None and state.is_that_of(then)
        shapes = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        if not same or shapes not in by_shapes:
            values = self._one_by_one(inputs)
            kept = by_shapes if same and len(by_shapes) < _MOST_SHAPES else {}
            # A new one, since other threads may be looking at the old.
            self._known = state, {**kept, shapes: self._prepare(values, len(inputs))}
            return self._results(values)
        prepared = by_shapes[shapes]
        if prepared is None:
            return self._results(self._one_by_one(inputs))
        call = torch.ops.torchconv.conv_chain if profiler._is_profiler_enabled else kernels.conv_chain
        try:
            found = [*call([*inputs, *prepared.tensors], prepared.steps, prepared.results, prepared.names)]
            if self.head is not None and prepared.head is not None and not profiler._is_profiler_enabled:
                found[-1] = self.head.direct(kernels, found[-1], prepared.head)
            elif self.head is not None:
                found[-1] = self.head(found[-1])
        except RuntimeError as error:
            message = operator_message(error)
            raise error if message is None else TorchconvError(message) from None
        return found[0] if len(found) == 1 else found

    def _watched(self) -> bool:
        """Whether hooks want to see the modules, or a forward was put on one.

        Where nothing did before, it is enough that no hook was registered anywhere since and no attribute set. Only
        FusedConvs count attributes, and so the head's other modules are looked at.
        """
        now = RemovableHandle.next_id, FusedConv.changes
        if now == self._unwatched:
            return self.head is not None and any(map(_replaced, self.head.modules))
        own = (any(map(looks, self._modules_of)) for looks in (_hooks, _pre_hooks, _replaced))
        if any(own) or torch_modules._has_any_global_hook():
            return True
        self._unwatched = now
        return False

    def _state(self) -> _State | None:
        """None where a weight is no plain one: computed, or of inference mode, which counts no changes."""
        try:
            return _State(self._parameters_of)
        except (AttributeError, TypeError, RuntimeError):
            return None

    def _one_by_one(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        values = list(inputs)
        for m, (x, residual) in zip(self.convs, self.sources, strict=True):
            values.append(m(values[x]) if residual is None else m(values[x], values[residual]))
        return values

    def _results(self, values: list[Tensor]) -> Any:
        found = [values[i] for i in self.results]
        if self.head is not None:
            found[-1] = self.head(found[-1])
        return found[0] if len(found) == 1 else found

    def _prepare(self, values: list[Tensor], inputs: int) -> _Prepared | None:
        """None where conv_chain takes no such inputs, or a residual has another size than its result."""
        parameters = tuple(t for m in self.convs for t in (m.weight, m.bias) if t is not None)
        plain = all(x.dim() == 4 for x in values) and kernels_of(parameters) is not None
        if not plain or len({t.dtype for t in (*values, *parameters)}) > 1 or not _lie_alike(values):
            return None
        tensors: list[Tensor] = []
        steps: list[list[int]] = []

        def place(t: Tensor | None) -> int:
            if t is None:
                return -1
            tensors.append(t)
            return inputs + len(tensors) - 1

        for m, (x, residual) in zip(self.convs, self.sources, strict=True):
            add = None if residual is None else values[residual]
            stride, padding, dilation, groups = rest = m._geometry(values[x])
            pack, fits = m._prepared(values[x], add, rest, m._algo())
            if not fits:
                return None
            operands = [place(m.weight), place(m.bias), -1 if residual is None else residual, place(pack)]
            steps.append([x, *operands, *stride, *padding, *dilation, groups])

        def renumber(value: int) -> int:  # the results of the steps come after all tensors
            return value if value < inputs else value + len(tensors)

        for step in steps:
            step[0], step[3] = renumber(step[0]), renumber(step[3])
        names = [name for m in self.convs for name in (m.activation, m._algo())]
        head = None if self.head is None else self.head.prepare(values[-1])
        return _Prepared(tensors, [n for step in steps for n in step], [renumber(i) for i in self.results], names, head)


class Chained:
    """A traced model with chains in the place of runs of FusedConvs, as .model: itself where there are none."""

    def __init__(self, model: GraphModule) -> None:
        self._forward = type(model).forward  # recompile() makes another
        members = [(parent._modules, name, m) for parent in model.modules() for name, m in parent._modules.items()]
        self._members = list(zip(*members, strict=True)) or [(), (), ()]
        self._tensors = [_owned(model, str(n.target)) for n in model.graph.nodes if n.op == "get_attr"]
        self.model = _with_chains(model)

    def holds_for(self, model: torch.nn.Module) -> bool:
        """Whether the model has the forward and the modules that it had."""
        held, names, parts = self._members
        same = type(model).forward is self._forward and all(map(operator.is_, map(dict.get, held, names), parts))
        return same and all(getattr(owner, name) is tensor for owner, name, tensor in self._tensors)


def _owned(model: GraphModule, target: str) -> tuple[torch.nn.Module, str, Any]:
    owner, _, name = target.rpartition(".")
    module = model.get_submodule(owner)
    return module, name, getattr(module, name)


def _takes_nodes_alone(node: Node) -> bool:
    return not node.kwargs and all(isinstance(a, Node) for a in node.args)


def _only_user(node: Node | None) -> Node | None:
    return next(iter(node.users)) if node is not None and len(node.users) == 1 else None


def _global_mean(model: GraphModule, node: Node | None) -> Callable[[Tensor], Tensor] | None:
    """What such a node calls: adaptive average pooling to one pixel."""
    if node is not None and node.op == "call_module" and _takes_nodes_alone(node):
        part = model.get_submodule(str(node.target))
        return part if type(part) is nn.AdaptiveAvgPool2d and part.output_size in (1, (1, 1)) else None
    if node is not None and node.op == "call_function" and node.target is F.adaptive_avg_pool2d:
        sizes = (*node.args[1:], *node.kwargs.values())
        return partial(F.adaptive_avg_pool2d, output_size=1) if sizes in ((1,), ((1, 1),)) else None
    return None


def _flattening(model: GraphModule, node: Node, pixels: Node) -> Callable[[Tensor], Tensor] | None:
    """What makes rows of images of one pixel. view(n, -1) and reshape do, where a linear layer can follow."""
    if node.op == "call_module":
        part = model.get_submodule(str(node.target))
        return part if type(part) is nn.Flatten and (part.start_dim, part.end_dim) == (1, -1) else None
    rows = node.target in (torch.flatten, "flatten") and node.args == (pixels, 1)
    viewed = node.target in ("view", "reshape") and len(node.args) == 3 and node.args[::2] == (pixels, -1)
    return partial(torch.flatten, start_dim=1) if (rows or viewed) and not node.kwargs else None


def _head_after(model: GraphModule, last: Node) -> tuple[list[Node], _Head] | None:
    """The nodes of a mean, its flattening and a linear layer, each the only user of the one before; and their head."""
    pool = _only_user(last)
    flat = _only_user(pool)
    layer = _only_user(flat)
    mean = _global_mean(model, pool)
    if mean is None or pool is None or flat is None or layer is None or layer.op != "call_module":
        return None
    linear, flatten = model.get_submodule(str(layer.target)), _flattening(model, flat, pool)
    if flatten is None or type(linear) is not FusedLinear or layer.args != (flat,) or layer.kwargs:
        return None
    return [pool, flat, layer], _Head(mean, flatten, linear)


def _runs(model: GraphModule) -> Iterator[list[Node]]:
    """The nodes in their order: those of 2-D FusedConvs that follow each other together, all others alone."""
    run: list[Node] = []
    for node in model.graph.nodes:
        part = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if type(part) is FusedConv and part.weight.dim() == 4 and _takes_nodes_alone(node):
            run.append(node)
            continue
        if run:
            yield run
        run = []
        yield [node]
    if run:
        yield run


def _with_chains(model: GraphModule) -> GraphModule:
    """The same model, of the same modules, as a graph with chains; the model itself if no FusedConvs are in a row."""
    root, graph = torch.nn.Module(), Graph()
    place: dict[Any, Any] = {}  # of each node, that in the new graph
    vars(root).update({kind: dict(vars(model)[kind]) for kind in ("_modules", "_parameters", "_buffers")})
    chains = 0
    for run in _runs(model):
        if run[0] in place:
            continue  # of a head
        if len(run) == 1:
            place[run[0]] = graph.node_copy(run[0], place.__getitem__)
            continue
        inputs = list(dict.fromkeys(a for node in run for a in node.args if a not in run))
        values: dict[Any, int] = {node: i for i, node in enumerate([*inputs, *run])}
        results = [node for node in run if any(user not in run for user in node.users)]
        sources = [(values[n.args[0]], values[n.args[1]] if len(n.args) > 1 else None) for n in run]
        convs: list[Any] = [model.get_submodule(str(n.target)) for n in run]
        name, chains = f"torchconv_chain_{chains}", chains + 1
        of_head, head = _head_after(model, run[-1]) or ([], None)
        root.add_module(name, Chain(convs, sources, [values[n] for n in results], head))
        y = graph.call_module(name, tuple(place[x] for x in inputs))
        for i, node in enumerate(results):
            place[node] = y if len(results) == 1 else graph.call_function(operator.getitem, (y, i))
        place.update(dict.fromkeys(of_head, place[results[-1]]))
    return GraphModule(root, graph, type(model).__name__) if chains else model
