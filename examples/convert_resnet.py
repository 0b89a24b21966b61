"""Puts ResNet-18 (random weights) on torchconv, compares it with torch on a photograph, and puts it back."""

import copy

import skimage.data
import torch
import torchvision

import torchconv

photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
torch.manual_seed(0)
theirs = torchvision.models.resnet18().eval()
ours = torchconv.convert(copy.deepcopy(theirs))
print(ours.torchconv_report)

with torch.no_grad():
    wanted = theirs(photo)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        got = ours(photo.contiguous(memory_format=memory_format))
        difference = (got - wanted).abs().max() / wanted.abs().max()
        print(f"{memory_format}: largest difference from torch {difference:.1e}")
        assert difference < 1e-4

torchconv.revert(ours)
with torch.no_grad():
    assert torch.equal(ours(photo), wanted)
print("after revert: the same bits as torch")
