"""Django set up once in a process, with nothing but what the tests of the integration need."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.urls import path


def set_up() -> None:
    if settings.configured:
        return
    settings.configure(
        ALLOWED_HOSTS=["testserver", "127.0.0.1", "shop.example"],
        INSTALLED_APPS=["fairlot.integrations.django"],
        MIDDLEWARE=["fairlot.integrations.django.FairlotMiddleware"],
        SECRET_KEY="for tests",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    )
    django.setup()


@contextmanager
def routes(views: Mapping[str, Any]) -> Iterator[str]:
    """The name of a module of routes, for ROOT_URLCONF."""
    module = ModuleType(f"routes_{id(views)}")
    module.urlpatterns = [path(route, view) for route, view in views.items()]  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        yield module.__name__
    finally:
        del sys.modules[module.__name__]
