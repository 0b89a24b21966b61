"""Checks torchconv's gradients, of first and second order, forward and backward, against finite differences."""

import itertools

import torch
from torch.autograd import gradcheck, gradgradcheck

import torchconv

torch.manual_seed(0)
x = torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)
w = torch.randn(6, 2, 3, 2, dtype=torch.float64, requires_grad=True)
b = torch.randn(6, dtype=torch.float64, requires_grad=True)

for stride, padding, algo in itertools.product((1, 2), ("same", ((2, 0), (1, 1))), ("im2col", "reference")):

    def conv(x, w, b, stride=stride, padding=padding, algo=algo):
        return torchconv.conv2d(x, w, b, stride, padding, groups=2, algo=algo)

    gradcheck(conv, (x, w, b), check_forward_ad=True, fast_mode=True)
    gradgradcheck(conv, (x, w, b), fast_mode=True)
    print(f"stride {stride}, padding {padding}, {algo}: gradients agree")
