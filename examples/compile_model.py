"""Compiles a network with torchconv's modules into one graph for any batch size, with its gradients."""

import torch
from torch import nn

import torchconv.nn

torch.manual_seed(0)
network = nn.Sequential(
    torchconv.nn.Conv2d(3, 16, 3, stride=2, padding="same"),
    nn.ReLU(),
    torchconv.nn.Conv2d(16, 32, 3, padding=1, groups=16),
)
compiled = torch.compile(network, fullgraph=True, dynamic=True)

for batch in (2, 3, 5):
    x = torch.randn(batch, 3, 17, 17)
    difference = (compiled(x) - network(x)).abs().max().item()
    print(f"batch {batch}: output {list(compiled(x).shape)}, largest difference from eager {difference:.1e}")
    assert difference < 1e-5

compiled(torch.randn(4, 3, 17, 17)).square().mean().backward()
print(f"gradient of the first weight: norm {network[0].weight.grad.norm():.3f}")
