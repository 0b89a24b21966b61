"""freeze(): a copy of a model for inference, with normalisations folded, residuals and activations fused."""

import copy
import dataclasses
import inspect
from typing import Any, NoReturn

import torch
import torch.fx
from rich.table import Table
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from torchconv._chain import Chained, looked_at
from torchconv._direct import transformed
from torchconv._fuse import CHOOSES_FORMATS, IN_PLACE, Fuser, altered
from torchconv._text import Printable
from torchconv.convert import convert, revert
from torchconv.errors import TorchconvError, refuse_example


@dataclasses.dataclass(frozen=True)
class FreezeReport(Printable):
    """What freeze did to a model. print() shows it as a table.

    Attributes:
        fused: for every convolution that was rewritten, by name, the steps that it now does at once.
        left_alone: the convolutions, normalisations and activations that stay steps of their own, and why.

    Example:
        >>> import torch, torchconv
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
        >>> torchconv.freeze(model).torchconv_report.fused
        {'0': 'conv + BatchNorm2d + relu'}
    """

    fused: dict[str, str]
    left_alone: dict[str, str]

    def __rich__(self) -> Table:
        table = Table(
            "name", "", title=f"{len(self.fused)} convolutions fused, {len(self.left_alone)} steps left alone"
        )
        for name, steps in self.fused.items():
            table.add_row(name, steps)
        table.add_section()
        for name, reason in self.left_alone.items():
            table.add_row(name, reason)
        return table


class Frozen(torch.nn.Module):
    """What freeze() returns: the rewritten copy as .model, called as the original is; train() raises.

    Example:
        >>> import torch, torchconv
        >>> frozen = torchconv.freeze(torch.nn.Conv2d(3, 8, 3))
        >>> frozen(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 8, 6, 6])
        >>> frozen.train()
        Traceback (most recent call last):
        torchconv.TorchconvError: mode: expected False, since freeze() made this copy for inference: train the original
    """

    def __init__(self, model: torch.nn.Module, report: FreezeReport) -> None:
        super().__init__()
        self.model = model
        self.torchconv_report = report
        self.training = False
        self._chooses_formats = bool(getattr(model, "meta", {}).get(CHOOSES_FORMATS))
        self._chained: Chained | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        plain = not kwargs and all(type(x) is Tensor for x in args)
        inputs = args if plain else pytree.tree_leaves((args, kwargs))
        model = self.model if any(isinstance(x, torch.fx.Proxy) for x in inputs) else self._to_call()
        # A tensor under vmap cannot say how it lies.
        chooses = self._chooses_formats and not torch._C._are_functorch_transforms_active()
        images = [x for x in inputs if _is_image(x)] if chooses else []
        if not images or _lies_in(torch.channels_last, images[0]):
            return model(*args, **kwargs)
        args, kwargs = pytree.tree_map_only(Tensor, _in_channels_last, (args, kwargs))
        return pytree.tree_map_only(Tensor, _in_nchw, model(*args, **kwargs))

    def _to_call(self) -> torch.nn.Module:
        """The model, or the same modules with chains of convolutions where nothing wants to see each of them."""
        model = self.model
        if transformed() or looked_at(model) or not isinstance(model, torch.fx.GraphModule):
            return model
        if self._chained is None or not self._chained.holds_for(model):
            self._chained = Chained(model)
        return self._chained.model

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_chained": None}

    def train(self, mode: bool = True) -> "Frozen":
        if mode:
            expected = "expected False, since freeze() made this copy for inference: train the original"
            raise TorchconvError(f"mode: {expected}")
        return super().train(False)


def freeze(model: torch.nn.Module, example: Any = None) -> Frozen:
    """A deep copy of a model for inference on torchconv, as fast as it gets; the model itself stays as it is.

    BatchNorm is folded into the convolution before it, zero padding, residual additions and activations become part of
    the convolution's own pass over its result, dropout goes, and weights are prepared once rather than in every call.
    Linear layers become the 1x1 convolutions that they are, with the activation that follows. Images in NCHW run in
    channels_last, which is faster, unless the model asks how its tensors lie; results that are images leave in NCHW.
    The steps are found by torch.fx. A module whose forward torch.fx cannot trace keeps its forward, and the modules
    within it are looked at one by one; what stays as it was is listed in the report, with the reason. Arguments of
    forward that have a default keep that default.

    Args:
        model: any module with initialised parameters; converted ones too.
        example: an input of the model, or a tuple of its inputs. With it the copy is run once and its result compared
            with the model's.

    Returns:
        The copy, a module whose .torchconv_report is a FreezeReport. Its state_dict holds plain weights, those with
        the normalisation folded in; it can be pickled, moved and exported. train() on it raises.

    Raises:
        TorchconvError: model is no module, has uninitialised parameters, fails on the example, or gives another result
            than its copy.

    Source:
        Folding: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
        Inference, section 3.2, arXiv:1712.05877.

    Example:
        >>> import torch, torchconv
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU()).eval()
        >>> frozen, x = torchconv.freeze(model), torch.randn(1, 3, 16, 16)
        >>> torch.allclose(frozen(x), model(x), atol=1e-5)
        True
    """
    if not isinstance(model, torch.nn.Module):
        raise TorchconvError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    lazy = [name for name, parameter in model.named_parameters() if is_lazy(parameter)]
    if lazy:
        raise TorchconvError(
            f"model: expected initialised parameters (run it once), got {', '.join(lazy)} without sizes"
        )
    report = FreezeReport({}, {})
    with torch.inference_mode(False), torch.no_grad():
        # torch copies no computed tensors, such as the weights that pruning and the older weight_norm leave behind.
        computed = (v for m in model.modules() for v in vars(m).values() if isinstance(v, Tensor) and not v.is_leaf)
        original = revert(copy.deepcopy(model, {id(v): v.detach().clone() for v in computed})).eval()
        frozen = Frozen(convert(_rewritten(original, "", report)), report)
    for module in frozen.modules():
        vars(module).pop("torchconv_report", None) if module is not frozen else None
    if example is not None:
        _compare(model, frozen, example if isinstance(example, tuple) else (example,))
    return frozen


# Images in NCHW, which is how they come, run in channels_last, for which the kernels are fastest (a frozen ResNet-50 at
# batch 1 takes 0.6 of the time), and the results that are images leave in NCHW.


def _is_image(x: Any) -> bool:
    return isinstance(x, Tensor) and x.dim() == 4 and x.is_cpu


def _lies_in(memory_format: torch.memory_format, x: Tensor) -> bool:
    return x.is_contiguous(memory_format=memory_format)


def _in_channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if _is_image(x) else x


def _in_nchw(y: Tensor) -> Tensor:
    return y.contiguous() if _is_image(y) and _lies_in(torch.channels_last, y) else y


_HOOKS = (
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs",
)  # fmt: skip


class _Proxy(torch.fx.Proxy):
    """Keeps x += y what it is. torch.fx takes it for x = x + y, after which other names for x have the old values."""


def _written_over(function: Any) -> Any:
    return lambda x, y: x.tracer.create_proxy("call_function", function, (x, y), {})


for _function in IN_PLACE:
    setattr(_Proxy, f"__{_function.__name__}__", _written_over(_function))


class _Tracer(torch.fx.Tracer):
    """torch.fx's tracer, to which torchconv's modules are whole as torch's are."""

    def proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        return _Proxy(node, self)

    def is_leaf_module(self, m: torch.nn.Module, name: str) -> bool:
        ours = type(m).__module__.startswith("torchconv.nn")
        return ours or bool(altered(m)) or super().is_leaf_module(m, name)


def _rewritten(module: torch.nn.Module, name: str, report: FreezeReport) -> torch.nn.Module:
    """The module as a graph with its convolutions fused; or itself, with its children rewritten where they can be."""
    if not any(True for _ in module.children()) and not Fuser.computes_convolution(module):
        return module
    if "forward" in vars(module):
        return _with_parts_rewritten(module, name, "its forward was replaced on the instance", report)
    try:
        graph = _Tracer().trace(module, _defaults(module))
        traced = torch.fx.GraphModule(module, graph, type(module).__name__)
    except Exception as error:  # whatever its forward does with what is no tensor
        return _with_parts_rewritten(module, name, f"torch.fx cannot trace it ({_first_line(error)})", report)
    Fuser(traced, name, report.fused, report.left_alone).run()
    vars(traced).update({hooks: vars(module)[hooks] for hooks in _HOOKS})
    for part_name in dict.fromkeys(str(node.target) for node in traced.graph.nodes if node.op == "call_module"):
        part = traced.get_submodule(part_name)
        if altered(part) and any(True for _ in part.children()):
            traced.add_submodule(part_name, _rewritten(part, f"{name}.{part_name}".lstrip("."), report))
    return traced


def _with_parts_rewritten(module: torch.nn.Module, name: str, reason: str, report: FreezeReport) -> torch.nn.Module:
    """The module, whose own forward stays for a reason, with its children rewritten where they can be."""
    report.left_alone[name] = f"{type(module).__name__}: {reason}"
    for child_name, child in list(module.named_children()):
        if type(child).__module__.startswith("torch.nn.") and not any(True for _ in child.children()):
            continue  # a lone layer; convert() does what can be done for it
        setattr(module, child_name, _rewritten(child, f"{name}.{child_name}".lstrip("."), report))
    return module


def _defaults(module: torch.nn.Module) -> dict[str, Any]:
    parameters = inspect.signature(module.forward).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _compare(model: torch.nn.Module, frozen: Frozen, example: tuple[Any, ...]) -> None:
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            try:
                expected = model.eval()(*example)
            except Exception as error:  # whatever the model's own code raises
                refuse_example(example, error)
            y = frozen(*example)
    finally:
        for module, mode in modes.items():
            module.training = mode
    for reference, result in zip(_tensors(expected), _tensors(y), strict=True):
        if reference.shape != result.shape:
            got = f"{list(reference.shape)} and {list(result.shape)}"
            raise TorchconvError(f"model: expected one whose frozen copy gives a result of the same size, got {got}")
        largest = float(reference.abs().max()) if reference.numel() else 0.0
        allowed = max(largest, 1e-30) * (1e-3 if reference.dtype in (torch.float32, torch.float64) else 5e-2)
        difference = float((reference - result).abs().max()) if reference.numel() else 0.0
        if not difference <= allowed:
            _differs(difference, allowed)


def _differs(difference: float, allowed: float) -> NoReturn:
    expected = f"a model whose frozen copy gives the same on the example within {allowed:.1e}"
    hint = "its forward may depend on values that torch.fx does not see; freeze the parts of it that do not"
    raise TorchconvError(f"model: expected {expected}, got a difference of {difference:.1e} ({hint})")


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in _tensors(v)] if isinstance(value, (list, tuple)) else []
