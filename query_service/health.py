"""How the service is: for balancers and whoever watches it."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from query_service.service import ServiceOf

OPEN_PATHS = ("/healthz", "/readyz")
"""Asked by machines that have no key."""

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers, whatever the archive does."""
    return {"status": "alive"}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
)
def metrics(service: ServiceOf) -> Response:
    """What the service counted, and what is known of the archive."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)
