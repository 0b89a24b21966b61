"""torchconv: convolution for PyTorch, fast, exact about its error, and open to inspection."""

from torchconv import _cuda_library, nn, ops  # noqa: F401  _cuda_library loads the CUDA kernels
from torchconv._build import VERSION as __version__
from torchconv.convert import ConversionReport, convert, revert
from torchconv.errors import TorchconvError
from torchconv.functional import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    gemm,
    unfold,
)
from torchconv.plan import Explanation, explain, precision, set_precision

__all__ = [
    "ConversionReport",
    "Explanation",
    "TorchconvError",
    "__version__",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "convert",
    "explain",
    "fold",
    "gemm",
    "nn",
    "ops",
    "precision",
    "revert",
    "set_precision",
    "unfold",
]
