"""`python -m tests.faults --runs N --seed S`: runs of real processes, with faults; the last line is one JSON object."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults import stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=12, help="so many mailings, each with a fault (default 12)")
    parser.add_argument("--seed", type=int, default=1, help="run n has the seed S + n; one run repeats with its own")
    parser.add_argument("--only", default="", help="only faults whose name holds this")
    parser.add_argument("--each", action="store_true", help="every fault of those once, instead of RUNS of them")
    parser.add_argument("--folder", type=Path, help="where everything is kept; else a temporary one, kept on failure")
    parser.add_argument("--without", default="", help="leave out a safeguard, to see that it is noticed")
    parser.add_argument("--list", action="store_true", help="print the table of faults")
    asked = parser.parse_args()
    from tests.faults import table

    print(table.as_text(), flush=True)
    if asked.list:
        return 0
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="letterpace-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    with stage.set_up(folder, seed=asked.seed) as ready:
        from tests.faults import runs

        among = table.named(asked.only)
        chosen = (
            among if asked.each else [table.chosen(seed, among) for seed in range(asked.seed, asked.seed + asked.runs)]
        )
        fine = runs.go(ready, chosen, seed=asked.seed, without=asked.without)
    if fine and not asked.folder:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
