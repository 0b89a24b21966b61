"""torchconv.gemm against torch.mm, and against the multiply-add peak measured in the same run. Prints JSON.

python benchmarks/gemm.py [--size 1024]
"""

import harness
import torch


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--size", type=int, default=1024, help="M = N = K")
    options = parser.parse_args()
    harness.start(options)
    a, b = torch.randn(options.size, options.size), torch.randn(options.size, options.size)
    exact = a.double() @ b.double()
    calls = {"torchconv": lambda: torch.ops.torchconv.gemm(a, b), "torch": lambda: torch.mm(a, b)}
    timings = harness.measure(calls, options.samples, options.limit)
    gflops = {name: 2e-9 * options.size**3 / timing.seconds for name, timing in timings.items()}
    machine = harness.machine()
    harness.write(
        {
            "ratio": gflops["torchconv"] / gflops["torch"],
            "percent_of_peak": 100 * gflops["torchconv"] / machine["peak_gflops"],
            "clean_samples": {
                "ratio": min(timing.clean for timing in timings.values()),
                "percent_of_peak": timings["torchconv"].clean,
            },
            "gflops": gflops,
            "error": {name: ((call() - exact).abs().max() / exact.abs().max()).item() for name, call in calls.items()},
            "timings": {name: vars(timing) for name, timing in timings.items()},
            "machine": machine,
        }
    )


if __name__ == "__main__":
    main()
