"""`{% load fairlot %}`: variants in templates.

    {% exposure "cta" as cta %}                      decides and records that it was shown
    {% treatment "cta" subject_id=user.pk as cta %}  decides only
    {{ cta.variant_key }} {{ cta.payload.title }}

Both need the setting FAIRLOT_CLIENT, and a template that is rendered for a request. The subject id
is that of the request's cookie unless one is given. Where there is no request, as in the page for
an unhandled exception, nothing is decided without a subject id, and the result is None.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Library

from fairlot import Client, RequestContext, TreatmentResult
from fairlot.integrations.django.middleware import (
    configured_client,
    get_or_create_subject_id,
    request_context,
)

register = Library()


@register.simple_tag(takes_context=True)  # type: ignore[untyped-decorator] # Django ships no types
def treatment(
    context: Context, experiment_key: str, subject_id: Any = None
) -> TreatmentResult | None:
    client = _client()
    request, subject = _asked(context, subject_id, client)
    return None if subject is None else client.treatment(experiment_key, subject, request)


@register.simple_tag(takes_context=True)  # type: ignore[untyped-decorator] # Django ships no types
def exposure(
    context: Context, experiment_key: str, subject_id: Any = None
) -> TreatmentResult | None:
    client = _client()
    request, subject = _asked(context, subject_id, client)
    return None if subject is None else client.exposure(experiment_key, subject, request)


def _asked(
    context: Context, subject_id: Any, client: Client
) -> tuple[RequestContext | None, str | None]:
    # Among the names only with the context processor `request`.
    request = context.get("request") or getattr(context, "request", None)
    subject = None if subject_id is None else str(subject_id)
    if request is None:
        return None, subject
    return request_context(request), subject or get_or_create_subject_id(request, client=client)


def _client() -> Client:
    client = configured_client()
    if client is None:
        raise ImproperlyConfigured("FAIRLOT_CLIENT is not set: name your client in the settings")
    return client
