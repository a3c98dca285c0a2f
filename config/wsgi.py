import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("PROCESS_KIND", "web")

from django.core.wsgi import get_wsgi_application

from config import warm

application = get_wsgi_application()
warm.up()
