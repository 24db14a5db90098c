"""Django: see `fairlot.integrations.django.middleware`."""

from fairlot.integrations.django.middleware import (
    FairlotMiddleware,
    get_or_create_subject_id,
    request_context,
)

__all__ = ["FairlotMiddleware", "get_or_create_subject_id", "request_context"]
