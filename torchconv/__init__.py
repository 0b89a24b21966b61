"""torchconv: convolution for PyTorch, fast, exact about its error, and open to inspection."""

from torchconv import _cuda_library, _flops, _store, nn, ops  # noqa: F401  for what they register
from torchconv._build import VERSION as __version__
from torchconv._enabled import enabled, stats
from torchconv.convert import ConversionReport, convert, revert
from torchconv.errors import TorchconvError
from torchconv.freeze import FreezeReport, Frozen, freeze
from torchconv.functional import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    gemm,
    linear,
    unfold,
)
from torchconv.memory import idle_memory, set_idle_memory_limit
from torchconv.plan import Explanation, explain, precision, set_precision, set_workspace_limit
from torchconv.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    channel_shuffle,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from torchconv.tune import Tuning, tune

_store.load()

__all__ = [
    "ConversionReport",
    "Explanation",
    "FreezeReport",
    "Frozen",
    "TorchconvError",
    "Tuning",
    "__version__",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convert",
    "enabled",
    "explain",
    "fold",
    "freeze",
    "gemm",
    "idle_memory",
    "linear",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "nn",
    "ops",
    "precision",
    "revert",
    "set_idle_memory_limit",
    "set_precision",
    "set_workspace_limit",
    "stats",
    "tune",
    "unfold",
]
