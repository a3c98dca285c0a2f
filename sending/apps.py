from django.apps import AppConfig


class SendingConfig(AppConfig):
    name = "sending"
    verbose_name = "One message to one person, exactly accounted for"
    default_auto_field = "django.db.models.BigAutoField"
