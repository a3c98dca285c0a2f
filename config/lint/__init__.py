"""The checks behind `make check`."""
