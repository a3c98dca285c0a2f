from django.apps import AppConfig


class SendingConfig(AppConfig):
    name = "sending"
    verbose_name = "One message to one person, exactly accounted for"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Routes of the kind `esp` leave by providers' APIs."""
        from sending import transports
        from sending.models import Route

        def by_api(route: Route, *, patience: transports.Patience) -> transports.Transport:
            from sending.esp import transport  # anymail and requests are loaded only where such a route sends

            return transport.transport(route, patience=patience)

        transports.register(Route.Kind.ESP, by_api)
