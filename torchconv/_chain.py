"""Runs of convolutions in a frozen model, each as one operator, conv_chain: one call from Python, and depth first."""

import operator
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import profiler
from torch.fx import Graph, GraphModule, Node
from torch.nn.modules import module as torch_modules

from torchconv import _C, plan
from torchconv._direct import kernels_of, transformed
from torchconv.errors import TorchconvError, operator_message
from torchconv.nn.fused import FusedConv

_MOST_SHAPES = 64  # of the inputs, for which a chain remembers what it needs

_hooks = operator.attrgetter("_forward_hooks")
_pre_hooks = operator.attrgetter("_forward_pre_hooks")
_backward_hooks = operator.attrgetter("_backward_hooks", "_backward_pre_hooks")
_version = operator.attrgetter("_version")
_what_it_computes = operator.attrgetter("stride", "padding", "dilation", "groups", "activation", "algo")


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


class _Prepared(NamedTuple):
    """What conv_chain takes beside the inputs: csrc/chain_op.cpp."""

    tensors: list[Tensor]
    steps: list[int]
    results: list[int]
    names: list[str]


class _State:
    """The weights and biases of the convolutions, and whatever else decides what they compute, at one time.

    To compare two of them in every call takes 20 us for the 52 convolutions of a MobileNetV2, in a loop over them 46.
    """

    def __init__(self, convs: tuple[FusedConv, ...], parameters: list[dict[str, Any]]) -> None:
        self.tensors = [held.get(name) for name in ("weight", "bias") for held in parameters]
        weights: Any = self.tensors[: len(convs)]
        self.now = (
            list(map(_version, weights)), list(map(Tensor.data_ptr, weights)), list(map(_what_it_computes, convs)),
            _C.plan_generation(), _C.current_isa(), plan.default_algo,
        )  # fmt: skip

    def is_that_of(self, other: "_State") -> bool:
        return all(map(operator.is_, self.tensors, other.tensors)) and self.now == other.now


class Chain(torch.nn.Module):
    """FusedConvs one after another as one operator. Values are numbered: the inputs, then the result of each.

    The convolutions run one by one for the first time, and wherever something wants to see each of them: hooks,
    gradients, autocast, and torch's modes and transforms.
    """

    def __init__(self, convs: list[FusedConv], sources: list[tuple[int, int | None]], results: list[int]) -> None:
        super().__init__()
        self.convs = tuple(convs)  # the model's, and so no modules of this one
        self.sources = sources  # for each convolution, which values are its x and its residual
        self.results = results
        self._parameters_of = [m._parameters for m in convs]
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
            found = call([*inputs, *prepared.tensors], prepared.steps, prepared.results, prepared.names)
        except RuntimeError as error:
            message = operator_message(error)
            raise error if message is None else TorchconvError(message) from None
        return found[0] if len(found) == 1 else found

    def _watched(self) -> bool:
        """Whether hooks want to see the convolutions."""
        own = any(map(_hooks, self.convs)) or any(map(_pre_hooks, self.convs)) or any(map(_replaced, self.convs))
        return own or torch_modules._has_any_global_hook()

    def _state(self) -> _State | None:
        """None where a weight is no plain one: computed, or of inference mode, which counts no changes."""
        try:
            return _State(self.convs, self._parameters_of)
        except (AttributeError, TypeError, RuntimeError):
            return None

    def _one_by_one(self, inputs: tuple[Tensor, ...]) -> list[Tensor]:
        values = list(inputs)
        for m, (x, residual) in zip(self.convs, self.sources, strict=True):
            values.append(m(values[x]) if residual is None else m(values[x], values[residual]))
        return values

    def _results(self, values: list[Tensor]) -> Any:
        return values[self.results[0]] if len(self.results) == 1 else [values[i] for i in self.results]

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
        return _Prepared(tensors, [n for step in steps for n in step], [renumber(i) for i in self.results], names)


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
        if len(run) == 1:
            place[run[0]] = graph.node_copy(run[0], place.__getitem__)
            continue
        inputs = list(dict.fromkeys(a for node in run for a in node.args if a not in run))
        values: dict[Any, int] = {node: i for i, node in enumerate([*inputs, *run])}
        results = [node for node in run if any(user not in run for user in node.users)]
        sources = [(values[n.args[0]], values[n.args[1]] if len(n.args) > 1 else None) for n in run]
        convs: list[Any] = [model.get_submodule(str(n.target)) for n in run]
        name, chains = f"torchconv_chain_{chains}", chains + 1
        root.add_module(name, Chain(convs, sources, [values[n] for n in results]))
        y = graph.call_module(name, tuple(place[x] for x in inputs))
        for i, node in enumerate(results):
            place[node] = y if len(results) == 1 else graph.call_function(operator.getitem, (y, i))
    return GraphModule(root, graph, type(model).__name__) if chains else model
