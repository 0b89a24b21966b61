"""Fails if a source file is longer than 600 lines: split it by idea, not by length."""

import subprocess
import sys
from pathlib import Path

LIMIT = 600
SUFFIXES = {".py", ".pyi", ".cpp", ".h", ".cu", ".cuh", ".sh"}


def main() -> int:
    listed = subprocess.check_output(["git", "ls-files", "--cached", "--others", "--exclude-standard"], text=True)
    files = [path for path in map(Path, listed.splitlines()) if path.suffix in SUFFIXES and path.exists()]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    long = {path: length for path, length in lengths.items() if length > LIMIT}
    for path, length in long.items():
        print(f"{path}: expected at most {LIMIT} lines, got {length}", file=sys.stderr)
    print(f"{len(files)} files, the longest has {max(lengths.values())} lines")
    return 1 if long else 0


if __name__ == "__main__":
    sys.exit(main())
