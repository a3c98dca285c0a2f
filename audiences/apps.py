from django.apps import AppConfig


class AudiencesConfig(AppConfig):
    name = "audiences"
    verbose_name = "Who may be written to"
    default_auto_field = "django.db.models.BigAutoField"
