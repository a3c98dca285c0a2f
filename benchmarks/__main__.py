"""Run the benchmarks of this folder, or those named, each in a process of its own: `python -m benchmarks [name…]`."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """The benchmarks there are, by module name."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main(asked: Sequence[str]) -> int:
    """0 when every one asked for ran to its end; 1 when one failed; 2 for a name there is not."""
    strange = [name for name in asked if name not in names()]
    if strange:
        print(f"There is no benchmark {', '.join(strange)}. There are: {', '.join(names())}.", file=sys.stderr)
        return 2
    failed = [name for name in asked or names() if not run(name)]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(name: str) -> bool:
    """What it prints is shown as it comes. True when it ended well."""
    print(f"== {name}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=HERE.parent, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
