from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = "What we say, to whom, when"
    default_auto_field = "django.db.models.BigAutoField"
