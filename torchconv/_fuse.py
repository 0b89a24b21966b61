"""Finds convolutions in a traced model with what surrounds them, and makes one FusedConv of each."""

import collections
import copy
import itertools
import operator
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.utils import parametrize

from torchconv.nn.fused import FusedConv, FusedLinear
from torchconv.nn.linear import Linear

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LINEAR = (nn.Linear, Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
# At inference they pass their input on.
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
FUNCTIONS = (F.conv1d, F.conv2d, F.conv3d)
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.ipow)
ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")

_PLAIN = {
    "relu": (nn.ReLU, torch.relu, torch.relu_, F.relu, F.relu_, "relu", "relu_"),
    "relu6": (nn.ReLU6, F.relu6),
    "silu": (nn.SiLU, F.silu),
    "hardswish": (nn.Hardswish, F.hardswish),
    "hardsigmoid": (nn.Hardsigmoid, F.hardsigmoid),
    "sigmoid": (nn.Sigmoid, torch.sigmoid, torch.sigmoid_, F.sigmoid, "sigmoid", "sigmoid_"),
    "tanh": (nn.Tanh, torch.tanh, torch.tanh_, F.tanh, "tanh", "tanh_"),
}
_ACTIVATION = {target: name for name, targets in _PLAIN.items() for target in targets}
# What asks how a tensor lies in memory, keeps that, or takes it for granted.
_ASK_FOR_FORMAT = (
    "view", "view_as", "as_strided", "as_strided_", "stride", "is_contiguous", "contiguous", "data_ptr",
    "storage_offset", "storage", "untyped_storage", "to", "clone", torch.as_strided, torch.clone,
)  # fmt: skip
CHOOSES_FORMATS = "torchconv_chooses_formats"  # in the meta of a GraphModule
_ARGUMENTS = ("bias", "stride", "padding", "dilation", "groups")


class Fuser:
    """Rewrites a traced module in place; what it does and does not goes to `fused` and `left_alone`, by name."""

    def __init__(self, traced: GraphModule, name: str, fused: dict[str, str], left_alone: dict[str, str]) -> None:
        self.traced, self.prefix = traced, f"{name}." if name else ""
        self.fused, self.left_alone = fused, left_alone
        self.modules = dict(traced.named_modules())

    @staticmethod
    def computes_convolution(module: nn.Module) -> bool:
        return isinstance(module, CONVOLUTIONS)

    def run(self) -> None:
        graph = self.traced.graph
        self.calls = collections.Counter(str(n.target) for n in graph.nodes if n.op == "call_module")
        self.read = {str(n.target).rpartition(".")[0] for n in graph.nodes if n.op == "get_attr"}
        for node in list(graph.nodes):
            if self._does_nothing(node):
                node.replace_all_uses_with(self._input(node))
                graph.erase_node(node)
        for node in list(graph.nodes):
            if self._is_convolution(node):
                self._fuse(node)
            elif node.op == "call_module" and isinstance(self._module(node), TRANSPOSED):
                self._fold_into_transposed(node)
            elif self._class(node) in LINEAR:
                self._fuse_linear(node)
        for node in list(graph.nodes):
            if node.op == "get_attr" and not node.users:
                graph.erase_node(node)
            self._note(node)
        graph.lint()
        self.traced.recompile()
        self.traced.delete_all_unused_submodules()
        self.traced.meta[CHOOSES_FORMATS] = self.may_choose_formats()

    # What a node is.

    def _module(self, node: Node) -> nn.Module | None:
        return self.modules.get(str(node.target)) if node.op == "call_module" else None

    def _class(self, node: Node) -> type | None:
        module = self._module(node)
        return None if module is None else parametrize.type_before_parametrizations(module)

    def _does_nothing(self, node: Node) -> bool:
        if self._class(node) in NOTHING:
            return not altered(self._module(node))
        named = getattr(node.target, "__name__", "") if node.op == "call_function" else ""
        if "dropout" not in named and named != "stochastic_depth":  # torchvision's
            return False
        training = node.kwargs.get("training", node.args[-1] if named == "stochastic_depth" else True)
        return training is False and isinstance(node.args[0], Node) if node.args else False

    def _is_convolution(self, node: Node) -> bool:
        cls = self._class(node)
        return (node.op == "call_function" and node.target in FUNCTIONS) or (
            cls is not None and issubclass(cls, CONVOLUTIONS) and not issubclass(cls, TRANSPOSED)
        )

    def _attribute(self, value: Any) -> Tensor | None:
        """The tensor behind a get_attr node."""
        if not isinstance(value, Node) or value.op != "get_attr":
            return None
        found: Any = self.traced
        for part in str(value.target).split("."):
            found = getattr(found, part)
        return found if isinstance(found, Tensor) else None

    def _activation(self, node: Node) -> str | None:
        """The name that conv_fused has for what a node computes, or None."""
        module = self._module(node)
        given: dict[str, Any] = dict(node.kwargs)
        if node.op not in ("call_module", "call_function", "call_method"):
            return None
        if module is not None:
            target: Any = type(module)
            given = {k: getattr(module, k) for k in ("negative_slope", "approximate", "min_val", "max_val")
                     if hasattr(module, k)}  # fmt: skip
        else:
            target, names = node.target, {F.leaky_relu: ("negative_slope",), F.hardtanh: ("min_val", "max_val")}
            given |= zip(names.get(target, ()), node.args[1:], strict=False)
            if len(node.args) > 1 + len(names.get(target, ())) and node.args[1:] not in ((True,), (False,)):
                return None
        if target in (nn.LeakyReLU, F.leaky_relu):
            slope = given.get("negative_slope", 0.01)
            return None if isinstance(slope, Node) else f"leaky_relu:{float(slope)!r}"
        if target in (nn.GELU, F.gelu):
            return "gelu_tanh" if given.get("approximate", "none") == "tanh" else "gelu"
        if target in (nn.Hardtanh, F.hardtanh):
            return "relu6" if (given.get("min_val", -1), given.get("max_val", 1)) == (0, 6) else None
        return _ACTIVATION.get(target)

    # One convolution and its surroundings.

    def _fuse(self, node: Node) -> None:
        name = self._name(node)
        found = self._convolution(node)
        if isinstance(found, str):
            self.left_alone[name] = found
            return
        x, weight, arguments = found
        steps, chain, residual, activation = ["conv"], [node], None, None
        start = self._absorb_padding(node, x, weight.dim() - 2, arguments)
        if start is not x:
            steps.insert(0, "padding")
        followers = self._followers(node)
        following = next(followers, None)
        if following is not None and (folded := self._folded(following, weight, arguments["bias"])):
            weight, arguments["bias"], step = folded
            steps.append(step)
            chain.append(following)
            following = next(followers, None)
        if following is not None and (residual := self._residual(following, chain)):
            steps.append("residual")
            chain.append(following)
            following = next(followers, None)
        if following is not None and (activation := self._activation(following)):
            steps.append(activation)
            chain.append(following)
        inputs = (start,) if residual is None else (start, residual)
        self._replace(chain, inputs, FusedConv(weight, **arguments, activation=activation or "none"))
        if start is not x:
            self.traced.graph.erase_node(x)
        self.fused[name] = " + ".join(steps)

    def _fuse_linear(self, node: Node) -> None:
        """With the activation that follows it. A normalisation stays: of 3-D inputs it would be over another axis."""
        linear: Any = self._module(node)
        if altered(linear) or not linear.weight.numel() or not linear.weight.is_cpu:
            return
        following = next(self._followers(node), None)
        activation = None if following is None else self._activation(following)
        chain = [node] if following is None or activation is None else [node, following]
        fused = FusedLinear(linear.weight, linear.bias, activation or "none", getattr(linear, "algo", "auto"))
        self._replace(chain, (self._input(node),), fused)
        self.fused[self._name(node)] = " + ".join(["linear", *([activation] if activation else [])])

    def _convolution(self, node: Node) -> tuple[Node, Tensor, dict[str, Any]] | str:
        """Input, weight and the other arguments of a convolution, or why it cannot be rewritten."""
        if node.op == "call_function":
            names = ("input", "weight", *_ARGUMENTS)
            given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
            x, weight, bias = given["input"], self._attribute(given["weight"]), self._attribute(given.get("bias"))
            if weight is None or (given.get("bias") is not None and bias is None):
                return "its weight is computed, no parameter of a module"
            plain = {name: given[name] for name in _ARGUMENTS[1:] if name in given}
            if _holds_node(list(plain.values())):
                return "its geometry is computed"
            return x, weight, {**plain, "bias": bias}
        module: Any = self._module(node)
        if reason := altered(module):
            return reason
        if module.padding_mode != "zeros":
            return f"padding_mode {module.padding_mode}"
        arguments = {name: getattr(module, name) for name in _ARGUMENTS}
        if hasattr(module, "algo"):
            arguments["algo"] = module.algo
        return self._input(node), module.weight, arguments

    def _input(self, node: Node) -> Node:
        return node.args[0] if node.args else node.kwargs["input"]  # type: ignore[return-value]

    def _absorb_padding(self, node: Node, x: Node, d: int, arguments: dict[str, Any]) -> Node:
        """The input before the zeros that a node of its own puts around it; they become padding."""
        pads = self._zeros_around(x)
        padding = arguments.get("padding", 0)
        if pads is None or len(x.users) > 1 or isinstance(padding, str) or len(pads) != 2 * d or min(pads) < 0:
            return x
        if any(map(self._changes, _between(x, node))):
            return x
        own = padding if isinstance(padding, (tuple, list)) else (padding,) * d
        own = [p if isinstance(p, (tuple, list)) else (p, p) for p in (own if len(own) == d else list(own) * d)]
        last_first = [pads[2 * i : 2 * i + 2] for i in range(d)]
        arguments["padding"] = [
            (mine[0] + before, mine[1] + after) for mine, (before, after) in zip(own, reversed(last_first), strict=True)
        ]
        return self._input(x)

    def _zeros_around(self, node: Any) -> list[int] | None:
        if not isinstance(node, Node):
            return None
        module: Any = self._module(node)
        if isinstance(module, (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)):  # ZeroPad is one of them
            return list(module.padding) if module.value == 0 and not altered(module) else None
        if node.op != "call_function" or node.target is not F.pad:
            return None
        names = ("input", "pad", "mode", "value")
        given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        zeros = given.get("mode", "constant") == "constant" and not given.get("value")
        plain = isinstance(given["pad"], (tuple, list)) and all(type(n) is int for n in given["pad"])
        return list(given["pad"]) if zeros and plain else None

    def _followers(self, node: Node) -> Iterator[Node]:
        """What follows a node one by one, as long as nothing else uses what is between or is changed meanwhile."""
        chain = [node]
        while len(node.users) == 1:
            following = next(iter(node.users))
            if any(n not in chain for between in _between(node, following) for n in self._changes(between)):
                return
            if altered(self._module(following)):
                return
            yield following
            chain.append(following)
            node = following

    def _changes(self, node: Node) -> list[Node]:
        """What a node changes in place."""
        module, target = self._module(node), node.target
        if module is not None:
            in_place = getattr(module, "inplace", False)
        else:
            name = target if isinstance(target, str) else getattr(target, "__name__", "")
            in_place = (
                node.kwargs.get("inplace", False) or True in node.args[1:]
                or (name.endswith("_") and not name.endswith("__"))
                or target in IN_PLACE
            ) and node.op in ("call_function", "call_method")  # fmt: skip
        return [a for a in node.args[:1] if isinstance(a, Node)] if in_place else []

    def _folded(self, node: Node, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, str] | None:
        """Weight and bias with the normalisation that follows folded in, in float64."""
        norm: Any = self._module(node)
        if not isinstance(norm, NORMS) or norm.running_mean is None or norm.training:
            return None
        scale, shift = _scale_and_shift(norm)
        w = weight.double() * scale.view(-1, *[1] * (weight.dim() - 1))
        b = shift if bias is None else bias.double() * scale + shift
        return w.to(weight.dtype), b.to(weight.dtype), type(norm).__name__

    def _residual(self, node: Node, chain: list[Node]) -> Node | None:
        """What a node adds to the last of a chain, if it adds to it."""
        last = chain[-1]
        plain = node.op in ("call_function", "call_method") and node.kwargs.get("alpha", 1) == 1
        if node.target not in ADDITIONS or not plain or len(node.args) != 2 or "out" in node.kwargs:
            return None
        other = node.args[1] if node.args[0] is last else node.args[0]
        if not isinstance(other, Node) or other is last:
            return None
        # A sum written over `other` would be seen by those who use that later, or what it is a view of.
        own = isinstance(self._submodule(other), (FusedConv, *CONVOLUTIONS, *NORMS))
        if self._changes(node) == [other] and not (own and set(other.users) <= {node, *chain}):
            return None
        return other

    def _replace(self, chain: list[Node], inputs: tuple[Node, ...], fused: FusedConv) -> None:
        first, last, graph = chain[0], chain[-1], self.traced.graph
        if first.op == "call_function":
            target = self._unused(f"{self._owner(first)}.fused".lstrip("."))
        else:
            target = self._place(first)
        self.traced.add_submodule(target, fused)
        with graph.inserting_after(last):
            new = graph.call_module(target, inputs)
        last.replace_all_uses_with(new)
        for node in reversed(chain):
            graph.erase_node(node)

    def _place(self, node: Node) -> str:
        """What takes a module's place has its name, unless it is called elsewhere too or its weight is read."""
        target = str(node.target)
        return self._unused(target) if self.calls[target] > 1 or target in self.read else target

    def _unused(self, target: str) -> str:
        names = {name for name, _ in self.traced.named_modules()}
        numbered = (f"{target}_{i}" for i in itertools.count(1))
        return next(n for n in itertools.chain([target], numbered) if n not in names)

    def _owner(self, node: Node) -> str:
        """The module whose forward calls torch's function: the one that has the weight."""
        weight = node.args[1] if len(node.args) > 1 else node.kwargs["weight"]
        return str(weight.target).rpartition(".")[0] if isinstance(weight, Node) else node.name

    def _name(self, node: Node) -> str:
        if node.op == "call_module":
            return f"{self.prefix}{node.target}"
        return f"{self.prefix}{self._owner(node)}" if node.target in FUNCTIONS else f"{self.prefix}{node.name}"

    def _fold_into_transposed(self, node: Node) -> None:
        conv: Any = self._module(node)
        following = next(self._followers(node), None)
        norm: Any = None if following is None else self._module(following)
        kept = bool(altered(conv)) or parametrize.is_parametrized(conv)  # whose weight would be computed again
        if not isinstance(norm, NORMS) or norm.running_mean is None or kept:
            return
        scale, shift = _scale_and_shift(norm)
        weight, bias = conv.weight, conv.bias
        grouped = weight.double().unflatten(0, (conv.groups, -1))  # [G, C / G, K / G, kernel...]
        scaled = grouped * scale.view(conv.groups, 1, -1, *[1] * (weight.dim() - 2))
        b = shift if bias is None else bias.double() * scale + shift
        self.fused[self._name(node)] = f"{type(conv).__name__} + {type(norm).__name__}"
        folded: Any = copy.deepcopy(conv)  # which other parts of the model may call too
        folded.weight = nn.Parameter(scaled.flatten(0, 1).to(weight.dtype), requires_grad=False)
        folded.bias = nn.Parameter(b.to(weight.dtype), requires_grad=False)
        node.target = self._place(node)
        self.traced.add_submodule(node.target, folded)
        following.replace_all_uses_with(node)  # type: ignore[union-attr]
        self.traced.graph.erase_node(following)  # type: ignore[arg-type]

    def _note(self, node: Node) -> None:
        """Why a normalisation or an activation is still there."""
        module = self._module(node)
        if not isinstance(module, NORMS) and not self._activation(node):
            return
        before = node.args[0] if node.args else None
        what = type(module).__name__ if module is not None else node.name
        reason = "follows no convolution"
        if isinstance(before, Node) and isinstance(self._submodule(before), FusedConv):
            taken = "is used elsewhere too" if len(before.users) > 1 else "cannot take it up"
            reason = f"the convolution before it {taken}"
        self.left_alone[self._name(node)] = f"{what}: {reason}"

    def may_choose_formats(self) -> bool:
        """Whether images may come in channels_last: a convolution takes them, and nothing asks how tensors lie."""
        nodes = list(self.traced.graph.nodes)
        called = [m for n in nodes if (m := self._submodule(n)) is not None]
        own = any(not type(m).__module__.startswith(("torch.nn.", "torchconv.nn.")) for m in called)
        asks = any(n.target in _ASK_FOR_FORMAT and not self._views_pixels(n) for n in nodes)
        written_over = any(x.op == "placeholder" for n in nodes for x in self._changes(n))
        takers = [u for n in nodes if n.op == "placeholder" for u in n.users]
        return (
            not own and not asks and not written_over and any(isinstance(self._submodule(n), FusedConv) for n in takers)
        )

    def _views_pixels(self, node: Node) -> bool:
        """Whether a node is a view of images of one pixel, which lie alike in both formats."""
        pooled = node.args[0] if node.target == "view" else None
        if not isinstance(pooled, Node):
            return False
        module = self._submodule(pooled)
        if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)):
            return module.output_size in (1, (1, 1))
        sizes = (*pooled.args[1:2], pooled.kwargs.get("output_size"))
        return pooled.target in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d) and any(n in (1, (1, 1)) for n in sizes)

    def _submodule(self, node: Node) -> nn.Module | None:
        return self.traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _between(first: Node, last: Node) -> Iterator[Node]:
    node = first.next
    while node is not last:
        yield node
        node = node.next


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    """A normalisation at inference as y * scale + shift per channel, in float64."""
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()


def altered(module: nn.Module | None) -> str:
    """Why an instance does something else than its class, or ""."""
    if module is None:
        return ""
    if module._forward_hooks or module._forward_pre_hooks:
        return "it has hooks"
    replaced = [name for name in ("forward", "_conv_forward") if name in vars(module)]
    return f"its {replaced[0]} was replaced on the instance" if replaced else ""


def _holds_node(value: Any) -> bool:
    return isinstance(value, Node) or (isinstance(value, (list, tuple)) and any(map(_holds_node, value)))
