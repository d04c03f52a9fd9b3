"""A real OpenSearch node without Docker: jars from Maven, Java from a Python package."""
