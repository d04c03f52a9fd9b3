"""Filters written in CQL2, OGC's query language, as text or as JSON."""

from scenestore.cql.reading import read as read
