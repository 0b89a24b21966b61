"""torchconv: convolution for PyTorch, fast, exact about its error, and open to inspection."""

from torchconv import ops  # noqa: F401
