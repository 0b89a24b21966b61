"""Builds torchconv's extensions; everything else about the package stands in pyproject.toml.

torchconv._C      the operators, the registry and the CPU kernels: libtorch stable ABI, and pybind11 for the
                  control plane
torchconv._cuda   the CUDA kernels: a plain shared library that torchconv loads at run time; built where nvcc and a
                  CUDA build of torch of the same major version are there
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pybind11
import torch
from setuptools import Extension, setup


def find_cuda() -> tuple[str | None, str]:
    """The CUDA toolkit's folder (None: build for the CPU only), and its version or the reason why not."""
    home = os.environ.get("CUDA_HOME")
    nvcc = os.path.join(home, "bin", "nvcc") if home else shutil.which("nvcc")
    if torch.version.cuda is None:
        return None, f"torch {torch.__version__}, which it was built with, has no CUDA"
    if nvcc is None or not os.path.exists(nvcc):
        return None, "nvcc was not found when it was built"
    # nvcc may be a link or a wrapper script: only nvcc itself knows where its toolkit is.
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    steps = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True).stderr
    release, here = re.search(r"release (\d+\.\d+)", version), re.search(r"_HERE_=(\S+)", steps)
    if release is None or here is None:
        return None, f"{nvcc} did not tell its version when it was built"
    if release[1].split(".")[0] != torch.version.cuda.split(".")[0]:
        return None, f"nvcc was for CUDA {release[1]} and torch for CUDA {torch.version.cuda} when it was built"
    return os.path.dirname(here[1]), release[1]


cuda_home, cuda_note = find_cuda()
if cuda_home:
    os.environ["CUDA_HOME"] = cuda_home  # read by cpp_extension when it is imported

from torch.utils.cpp_extension import BuildExtension, include_paths, library_paths  # noqa: E402

CXX_FLAGS = [
    "-O3", "-g0", "-std=c++17", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden",
    "-Wall", "-Wno-psabi",
    # 2.10 is the oldest torch whose stable ABI has parallel_for and memory formats.
    "-DTORCH_TARGET_VERSION=0x020a000000000000",
]  # fmt: skip
# Machine code for the two generations that the kernels are tuned for (sm_80 also serves 86 and 89); PTX for later ones.
NVCC_FLAGS = [
    "-O3", "-std=c++17", "--threads=2", "-Xcompiler=-fvisibility=hidden",
    "-gencode=arch=compute_80,code=sm_80", "-gencode=arch=compute_90,code=[sm_90,compute_90]",
]  # fmt: skip


def sources(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))


def digest() -> str:
    """Names the sources of the kernels: times that were measured with others do not count."""
    return hashlib.sha256(b"".join(Path(s).read_bytes() for s in sources("csrc/**/*.*"))).hexdigest()[:12]


# csrc/cuda belongs to the CUDA library; *_std.cpp are stand-ins for builds without torch.
cuda_cpp = sources("csrc/cuda/*.cpp")
cpu_cpp = [s for s in sources("csrc/**/*.cpp") if s not in cuda_cpp and not s.endswith("_std.cpp")]

extensions = [
    Extension(
        "torchconv._C",
        cpu_cpp,
        include_dirs=[os.path.abspath("csrc"), pybind11.get_include(), *include_paths()],
        library_dirs=library_paths(),
        libraries=["c10", "torch_cpu"],
        extra_compile_args={"cxx": CXX_FLAGS},
    )
]
if cuda_home:
    extensions.append(
        Extension(
            "torchconv._cuda",
            cuda_cpp + sources("csrc/**/*.cu"),
            include_dirs=[os.path.abspath("csrc"), *include_paths("cuda")],
            library_dirs=library_paths("cuda"),
            libraries=["c10", "torch_cpu", "torch_cuda", "cudart"],
            extra_compile_args={"cxx": [*CXX_FLAGS, "-DUSE_CUDA"], "nvcc": NVCC_FLAGS},
        )
    )


class BuildExt(BuildExtension):
    """Compiles through ninja, and notes beside the extensions which version they are and what they were built with."""

    def run(self) -> None:
        super().run()
        note = Path(self.get_ext_fullpath("torchconv._build")).with_name("_build.py")
        note.write_text(
            '"""Written by setup.py: what the extensions beside it were built with."""\n\n'
            f'VERSION = "{self.distribution.get_version()}"\n'
            f'TORCH = "{torch.__version__}"\n'
            f'KERNELS = "{digest()}"\n'
            f"CUDA: str | None = {repr(cuda_note) if cuda_home else None}\n"
            f'WHY_NO_CUDA = "{"" if cuda_home else cuda_note}"\n'
        )


setup(ext_modules=extensions, cmdclass={"build_ext": BuildExt})
