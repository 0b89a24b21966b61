"""The peak memory of one large forward convolution beyond its operands and result. Prints JSON, in MiB.

    python benchmarks/memory.py [--channels 16] [--size 2048] [--kernel 5] [--algo im2col] [--dtype float32]

An im2col that wrote its columns down would need kernel * kernel times the input.
"""

import resource
from pathlib import Path

import harness
import torch

from torchconv import _C, ops


def resident_mib() -> float:
    """What this process has resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """The most that this process has ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--kernel", type=int, default=5)
    parser.add_argument("--algo", default="im2col")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    harness.start(options)
    C, size, kernel, dtype = options.channels, options.size, options.kernel, getattr(torch, options.dtype)

    def conv(x: torch.Tensor) -> torch.Tensor:
        pad = kernel // 2
        w = torch.randn(C, C, kernel, kernel, dtype=dtype)
        return ops.conv_fwd(x, w, None, [1, 1], [pad] * 4, [1, 1], 1, options.algo)

    _C.keep_workspace(False)  # else the second call would have the first one's, which is not counted
    conv(torch.randn(1, C, 32, 32, dtype=dtype))  # threads and libraries that the first call brings are not its memory
    x = torch.randn(1, C, size, size, dtype=dtype)
    before = resident_mib()
    y = conv(x)
    after = peak_mib()
    tensor = y.numel() * y.element_size() / 2**20
    harness.write(
        {
            "beyond_operands_mib_per_thread": (after - before - tensor) / options.threads,
            "input_mib": tensor,
            "output_mib": tensor,
            "columns_would_take_mib": tensor * kernel**2,
            "process_peak_mib": after,
        }
    )


if __name__ == "__main__":
    main()
