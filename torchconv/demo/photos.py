"""Photographs that come with scikit-image, as EfficientNet-Lite wants them, and ImageNet's class names."""

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch import Tensor
from torchvision.models import EfficientNet_B0_Weights

from torchconv.report.page import data_address

CLASS_NAMES: list[str] = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]

# What each photograph shows, as near as ImageNet has a class for it: the labels of the training step.
LABELS = {"chelsea": "tabby", "coffee": "espresso", "rocket": "missile", "camera": "tripod", "page": "book jacket"}

SIZE = 224
# The authors' evaluation leaves 16 of 256 pixels away on each side, and maps 0..255 to about -1..1.
_CROP = 224 / 256
_MEAN, _STD = 127.0, 128.0


def crop(photo: np.ndarray) -> Image.Image:
    """The middle square of a photo, [H, W] or [H, W, 3] in uint8, at 224 x 224."""
    image = Image.fromarray(photo).convert("RGB")
    half = min(image.size) * _CROP / 2
    x, y = image.width / 2, image.height / 2
    return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(x - half, y - half, x + half, y + half))


def preprocess(photo: np.ndarray) -> Tensor:
    """What a network is given of a photo: its crop as [3, 224, 224] in float32."""
    return (torch.from_numpy(np.array(crop(photo))).permute(2, 0, 1).float() - _MEAN) / _STD


def picture(name: str) -> str:
    """The crop of a photograph of LABELS as an address that an <img> can have."""
    return data_address(crop(getattr(skimage.data, name)()))


def photographs() -> Tensor:
    """The photographs of LABELS, in its order: [5, 3, 224, 224] in float32."""
    return torch.stack([preprocess(getattr(skimage.data, name)()) for name in LABELS])


def labels() -> Tensor:
    """The class of each photograph: [5] in int64."""
    return torch.tensor([CLASS_NAMES.index(name) for name in LABELS.values()])
