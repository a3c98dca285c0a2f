from django.apps import AppConfig


class ReputationConfig(AppConfig):
    name = "reputation"
    verbose_name = "How much our name can bear"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from reputation import checks  # noqa: F401  registers itself
