"""`python -m lab --config FILE | --json '{…}'`: run the lab until SIGINT or SIGTERM."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from lab.configuration import (
    BadConfiguration,
    Configuration,
    configured,
    read_configuration,
)
from lab.persona import BadPersona
from lab.running import Lab


def main(arguments: list[str] | None = None) -> int:
    try:
        lab = Lab(_configuration(arguments))
        asyncio.run(_until_told(lab))
    except (BadConfiguration, BadPersona, OSError) as error:
        print(f"The lab cannot start: {error}", file=sys.stderr)
        return 2
    return 0


def _configuration(arguments: list[str] | None) -> Configuration:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="Receivers that behave like the big mailbox providers."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", type=Path, help="a .toml or .json file")
    source.add_argument("--json", help="the settings as one JSON object")
    chosen = parser.parse_args(arguments)
    if chosen.config:
        return read_configuration(chosen.config)
    try:
        return configured(json.loads(chosen.json))
    except json.JSONDecodeError as error:
        raise BadConfiguration(f"--json is not JSON: {error}") from error


async def _until_told(lab: Lab) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lab.end)
    await lab.run(lambda: print(json.dumps(lab.addresses()), flush=True))


if __name__ == "__main__":
    sys.exit(main())
