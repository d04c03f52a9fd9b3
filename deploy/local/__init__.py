"""Real OpenSearch and Redis without Docker: jars from Maven, Java from a Python package."""
