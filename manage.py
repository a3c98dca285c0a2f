#!/usr/bin/env python3
"""Letterpace's command line."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["make_keys"]:
        os.environ["PROCESS_KIND"] = "make_keys"
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Letterpace can't start: its packages are not installed here. Run: make setup")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Letterpace can't start: {error}")


if __name__ == "__main__":
    main()
