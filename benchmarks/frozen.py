"""A frozen model against the same model under torch.compile with freezing. Prints JSON; above 1 torchconv is faster.

    python benchmarks/frozen.py [--model resnet50] [--batch 1] [--size 224] [--algo auto]

Each side in the better of its two memory formats. Both prepare their weights once.
"""

import copy

import harness
import torch
import torch._inductor.config
import torchvision

import torchconv
from torchconv.nn import FusedConv

FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


def main() -> None:
    parser = harness.arguments(__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--algo", default="auto")
    options = parser.parse_args()
    harness.start(options)
    torch._inductor.config.freezing = True
    model = getattr(torchvision.models, options.model)(weights=None).eval()
    frozen = torchconv.freeze(model)
    for module in frozen.modules():
        if isinstance(module, FusedConv):
            module.algo = options.algo
    image = torch.randn(options.batch, 3, options.size, options.size)
    calls = {}
    for layout, memory_format in FORMATS.items():
        x = image.contiguous(memory_format=memory_format)
        rival = torch.compile(copy.deepcopy(model).to(memory_format=memory_format), dynamic=False)
        calls["torch", layout] = lambda rival=rival, x=x: rival(x)
        calls["torchconv", layout] = lambda x=x: frozen(x)
        difference = (rival(x) - frozen(x)).abs().max() / frozen(x).abs().max()
        assert difference < 1e-4, f"the two differ by {difference:.1e}"
    times = harness.measure(calls, options.samples, options.limit)
    best = {side: min(times[side, layout].seconds for layout in FORMATS) for side in ("torch", "torchconv")}
    harness.write(
        {
            "machine": harness.machine(),
            "ratio": best["torch"] / best["torchconv"],
            "clean_samples": {"ratio": min(t.clean for t in times.values())},
            **{f"{side}_{layout}_ms": t.seconds * 1e3 for (side, layout), t in times.items()},
        }
    )


if __name__ == "__main__":
    main()
