"""Builds torchconv._C, one extension against the libtorch stable ABI (and pybind11 for the control plane)."""

import glob
import os

from setuptools import setup
from setuptools.command.build_ext import build_ext  # noqa: F401
from torch.utils.cpp_extension import BuildExtension, CppExtension

# 2.10 is the oldest torch whose stable ABI has parallel_for and memory formats.
TORCH_TARGET = "0x020a000000000000"

sources = sorted(s for s in glob.glob("csrc/**/*.cpp", recursive=True) if not s.endswith("_std.cpp"))

import pybind11  # noqa: E402

extension = CppExtension(
    "torchconv._C",
    sources,
    include_dirs=[os.path.abspath("csrc"), pybind11.get_include()],
    extra_compile_args=[
        "-O3", "-std=c++17", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden",
        "-Wall", "-Wno-psabi", f"-DTORCH_TARGET_VERSION={TORCH_TARGET}",
    ],
)  # fmt: skip

setup(
    name="torchconv", version="0.1.0", packages=["torchconv", "torchconv.nn"],
    ext_modules=[extension], cmdclass={"build_ext": BuildExtension},
)  # fmt: skip
