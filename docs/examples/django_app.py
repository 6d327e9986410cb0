"""A Django service in one file whose orders are signed: `waitress-serve django_app:application`."""

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from pydantic import BaseModel

from signedmsg import Issuer, KeyDirectory, Receiver, SQLiteReplayCache
from signedmsg.django import current_call, signed


class Order(BaseModel):
    """What is ordered."""

    number: int


receiver = Receiver(
    # Where callers reach this service, whatever a proxy makes of it on the way.
    os.environ.get("SHOP_URL", "https://shop.example"),
    KeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
    SQLiteReplayCache("replay.db"),
)


@signed(receiver, model=Order)
def order(request: HttpRequest) -> JsonResponse:
    """Take an order from whoever signed it."""
    call = current_call(request, Order)
    return JsonResponse({"order": call.data.model_dump(), "from": call.issuer})


def health(_: HttpRequest) -> JsonResponse:
    """Answer whoever asks."""
    return JsonResponse({"healthy": True})


urlpatterns = [path("v1/orders", order), path("health", health)]

settings.configure(
    SECRET_KEY=os.environ.get("SECRET_KEY", "change me"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
)
application = get_wsgi_application()
