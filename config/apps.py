import logging

from django.apps import AppConfig

logger = logging.getLogger(__name__)


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Settings and the processes that run"

    def ready(self) -> None:
        # Tasks published from the web must find our app, with its queues and its broker.
        import words
        from config import celery, voice  # noqa: F401

        words.speak_with(voice.Translated())
        _make_translations()


def _make_translations() -> None:
    """All pages are in English where this fails, and mail goes out all the same."""
    from django.conf import settings

    from config import translations

    try:
        translations.compile_all(settings.LOCALE_PATHS[0])
    except OSError:
        logger.warning("Translations cannot be written to %s", settings.LOCALE_PATHS[0], exc_info=True)
