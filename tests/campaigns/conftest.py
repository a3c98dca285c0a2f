from tests.sending.conftest import engine

__all__ = ["engine"]
