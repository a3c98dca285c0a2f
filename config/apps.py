from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Settings and the processes that run"

    def ready(self) -> None:
        # Tasks published from the web must find our app, with its queues and its broker.
        from config import celery  # noqa: F401
