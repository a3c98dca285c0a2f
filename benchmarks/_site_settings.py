from config.settings import *  # noqa: F403

# With it Django writes down every statement.
DEBUG = False
ROOT_URLCONF = "benchmarks._site"
