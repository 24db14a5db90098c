from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from fairlot.integrations.django import get_or_create_subject_id, request_context
from shop.experiments import client


def home(request: HttpRequest) -> HttpResponse:
    """The variant is asked for in the template."""
    subject_id = get_or_create_subject_id(request)
    return render(
        request, "home.html", {"subject_id": subject_id, "ordered": "ordered" in request.GET}
    )


@require_POST
def order(request: HttpRequest) -> HttpResponse:
    subject_id = get_or_create_subject_id(request)
    client.track("order", subject_id, value=24, context=request_context(request))
    return redirect("/?ordered=1")


def someone_else(request: HttpRequest) -> HttpResponse:
    """Forgets the visitor, to see what another one gets."""
    response = redirect("/")
    response.delete_cookie("fx_sid")
    response.delete_cookie("fx.garden-box")
    return response
