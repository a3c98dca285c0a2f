"""Sending through providers' APIs by django-anymail, and hearing what their webhooks tell."""
