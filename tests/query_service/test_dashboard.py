"""The dashboard and the alerts ask only for what a real service has, by labels that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.redis_server import LocalRedis
from indexer.calibration.replayed import Measurements, Remeasured
from scenesift.archive import Archive
from scenesift.serve import create_app
from sgpd.fit import FitSettings
from tests.query_service.conftest import running, settings_of
from tests.s3_server import S3Server

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "scenesift.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
GUIDE = ROOT / "docs" / "service-operations.md"

PROMETHEUS_OWN = {"up": {"job": {"scenesift"}}}
"""What Prometheus itself says of what it scrapes."""
WORDS = {"sum", "max", "min", "by", "rate", "delta", "histogram_quantile", "time", "or", "and"}

Labels = dict[str, set[str]]
"""The values of each label."""


@pytest.fixture(scope="module")
def scraped(
    tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path, s3: S3Server
) -> dict[str, Labels]:
    """The labels of every metric of a service that has all there is: bucket, Redis, calibration."""
    home = tmp_path_factory.mktemp("watched") / "home"
    store = {
        "store": f"s3://{s3.bucket()}/archive",
        "store_endpoint": s3.url,
        "store_region": "us-east-1",
    }
    with Archive(home, model=str(model), threads=1, **store) as archive:
        archive.fit(images, settings=FitSettings(cells=4, prototypes=12))
        archive.index(images)
        archive.calibrate(targets=[0.9])
        generation = archive.generation
        kept = Measurements(generation.log.ledger, generation.log.generation)
        kept.keep([Remeasured("text_to_image", 10, 0.9, 40, 0.9, 0.8, 1.0)], "2026-11-24T12:00:00")
    with LocalRedis(tmp_path_factory.mktemp("redis")) as redis:
        settings = settings_of(home, model, redis_url=redis.url, serve_body_bytes=100_000, **store)
        with running(create_app(settings, is_local=True)) as client:
            for strategy in ("auto", "guided", "exhaustive"):
                client.post("/search", {"text": "a red field", "strategy": strategy})
            picture = (images / "red" / "red0.png").read_bytes()
            assert client("POST", "/search", files={"image": picture}).status_code == 200
            assert client("POST", "/search", content=b"x" * 100_001).status_code == 413
            page = client("GET", "/metrics").text
            page = client("GET", "/metrics").text  # with the request before it
    return labels_of(page)


def labels_of(page: str) -> dict[str, Labels]:
    found: dict[str, Labels] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


@dataclass(frozen=True)
class Asked:
    """A query, and where it stands."""

    where: str
    query: str
    legend: str = ""


def panels() -> Iterator[Asked]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield Asked(panel["title"], target["expr"], target["legendFormat"])


def alerts() -> Iterator[Asked]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            yield Asked(rule["alert"], rule["expr"])


QUERIES = [*panels(), *alerts()]
_SELECTOR = re.compile(r"([a-z_]\w*)\s*(\{[^}]*\})?\s*(\[[^]]*\])?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"')


def faults(asked: Asked, known: dict[str, Labels]) -> list[str]:
    """What a query asks for that is not there."""
    query, found = asked.query, []
    grouped = [label for labels, _ in aggregations(query) for label in labels]
    without_groups = re.sub(r"by \([^)]*\)", "by", query)
    for name, selector, _ in _SELECTOR.findall(without_groups):
        if name in WORDS:
            continue
        if name not in known:
            found.append(f"there is no {name}")
            continue
        for label, how, value in _MATCHER.findall(selector or ""):
            if label not in known[name]:
                found.append(f"{name} has no label {label}")
            elif how == "=" and value not in known[name][label]:
                found.append(f"{name} has no {label} {value}")
            elif how == "=~" and re.fullmatch(r"[\w|]+", value):
                missing = set(value.split("|")) - known[name][label]
                found += [f"{name} has no {label} {each}" for each in missing]
    for labels, inner in aggregations(query):
        names = {name for name, _, _ in _SELECTOR.findall(inner) if name in known}
        found += [f"{n} has no label {each}" for n in names for each in labels - set(known[n])]
    shown = re.findall(r"\{\{(\w+)\}\}", asked.legend)
    found += [f"the legend shows {name}, which is gone" for name in shown if name not in grouped]
    return found


def aggregations(query: str) -> list[tuple[set[str], str]]:
    """The labels by which a query aggregates, with what it aggregates."""
    found = []
    for match in re.finditer(r"by \(([^)]*)\) \(", query):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(query[end], 0)
            end += 1
        found.append((set(match[1].split(", ")), query[match.end() : end - 1]))
    return found


@pytest.mark.parametrize("asked", QUERIES, ids=lambda asked: asked.where)
def test_a_query_asks_for_what_there_is(asked: Asked, scraped: dict[str, Labels]) -> None:
    assert faults(asked, {**scraped, **PROMETHEUS_OWN}) == []


@pytest.mark.parametrize(
    ("query", "legend"),
    [
        ("rate(scenesift_request_total[5m])", ""),
        ("sum by (kind) (scenesift_segments)", ""),
        ('scenesift_scenes{result="failed"}', ""),
        ('scenesift_scenes{outcome="fail"}', ""),
        ('scenesift_requests_refused_total{reason=~"busy|lazy"}', ""),
        ("avergae(scenesift_segments)", ""),
        ("max by (kind) (scenesift_entries)", "{{outcome}}"),
    ],
)
def test_the_check_finds_what_is_wrong(query: str, legend: str, scraped: dict[str, Labels]) -> None:
    assert faults(Asked("made up", query, legend), scraped)


def test_every_metric_is_on_the_dashboard_or_in_an_alert(scraped: dict[str, Labels]) -> None:
    """What nobody looks at need not be counted."""
    asked = " ".join(each.query for each in QUERIES)
    bare = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in scraped}
    assert {name for name in bare if name not in asked} <= {
        "scenesift_calibrated",
        "scenesift_measured_searches",
    }


def test_every_metric_is_explained(scraped: dict[str, Labels]) -> None:
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in scraped}
    told = GUIDE.read_text()
    assert [name for name in sorted(bare) if f"`{name}`" not in told] == []


def test_every_alert_says_what_to_do() -> None:
    rules: list[dict[str, Any]] = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in {"page", "warn", "info"}
