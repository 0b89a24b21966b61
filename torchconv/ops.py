"""The routed operators: what functional.py calls."""

import torch

import torchconv._C  # noqa: F401  registers torch.ops.torchconv

conv_fwd = torch.ops.torchconv.conv_fwd.default
conv_grad_input = torch.ops.torchconv.conv_grad_input.default
conv_grad_weight = torch.ops.torchconv.conv_grad_weight.default
