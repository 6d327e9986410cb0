"""Django, set up once for the process; each request names its routes, so that each test has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.urls import re_path
from django.utils.decorators import sync_and_async_middleware

if TYPE_CHECKING:
    from collections.abc import Callable

ROUTES: list[tuple[Any, ...]] = [()]


@sync_and_async_middleware
def routes_of_the_test(get_response: Any) -> Any:
    from asgiref.sync import iscoroutinefunction

    def middleware(request: Any) -> Any:
        request.urlconf = ROUTES[-1]
        return get_response(request)

    async def async_middleware(request: Any) -> Any:
        request.urlconf = ROUTES[-1]
        return await get_response(request)

    return async_middleware if iscoroutinefunction(get_response) else middleware


if not settings.configured:
    settings.configure(
        SECRET_KEY="not a secret",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=(),
        MIDDLEWARE=[f"{__name__}.routes_of_the_test", "django.middleware.csrf.CsrfViewMiddleware"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
        # Small, so that a limit of the framework which applied would show.
        DATA_UPLOAD_MAX_MEMORY_SIZE=8,
    )
    django.setup()

WSGI, ASGI = WSGIHandler(), ASGIHandler()


def route(**views: Callable[..., Any]) -> None:
    """Serve these views from now on: each below its own name, the one called `rest` at every other path."""
    rest = views.pop("rest", None)
    routes = [re_path(f"^v1/{name}$", view) for name, view in views.items()]
    ROUTES[:] = [tuple(routes + ([re_path("^", rest)] if rest else []))]
