"""The application that brings the template tags."""

from django.apps import AppConfig


class FairlotConfig(AppConfig):  # type: ignore[misc] # Django ships no types
    name = "fairlot.integrations.django"
    label = "fairlot"
