"""How the service is: for balancers and whoever watches it."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from query_service.service import ServiceOf
from query_service.ticket import may_know

OPEN_PATHS = ("/healthz", "/readyz")
"""Asked by machines that have no key."""

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers, whatever the archive does."""
    return {"status": "alive"}


class Ready(BaseModel):
    """Whether searches can be answered."""

    ready: bool
    checks: dict[str, str] = Field(
        description="`ok` by check, or what is wrong; only who has a key is told what.",
        examples=[{"engine": "ok", "model": "ok"}],
    )


@router.get("/readyz", responses={503: {"model": Ready, "description": "Not now."}})
async def ready(service: ServiceOf, response: Response) -> Ready:
    """Whether engine, live generation, model and disk do their part."""
    faults = await service.readiness.faults()
    is_ready = not any(faults.values())
    response.status_code = 200 if is_ready else 503
    is_told = may_know()
    checks = {
        name: "ok" if fault is None else fault if is_told else "does not work; see the log"
        for name, fault in faults.items()
    }
    return Ready(ready=is_ready, checks=checks)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
)
def metrics(service: ServiceOf) -> Response:
    """What the service counted, and what is known of the archive."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)
