"""Loads the CUDA kernels where torch can use them, and remembers why not where it cannot.

The library needs torch's CUDA libraries but no GPU: it is loaded wherever torch was built for the same major version
of CUDA, so that one build of torchconv serves machines with and without a GPU.
"""

import sysconfig
from pathlib import Path

import torch

from torchconv import _C, _build

PATH = Path(__file__).with_name(f"_cuda{sysconfig.get_config_var('EXT_SUFFIX')}")


def _why_not() -> str:
    """The reason not to load the library, or "" to load it."""
    if _build.CUDA is None:
        return f"torchconv has no CUDA kernels: {_build.WHY_NO_CUDA}"
    if torch.version.cuda is None:
        return f"torchconv's kernels are for CUDA {_build.CUDA}, but torch {torch.__version__} has no CUDA"
    if torch.version.cuda.split(".")[0] != _build.CUDA.split(".")[0]:
        return f"torchconv's kernels are for CUDA {_build.CUDA}, but torch's for CUDA {torch.version.cuda}"
    return ""


WHY_NOT_LOADED = _why_not()
LOADED = not WHY_NOT_LOADED
if LOADED:
    _C.load_cuda_library(str(PATH))
