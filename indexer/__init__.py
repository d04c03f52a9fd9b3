"""Archive in, batches out: sources, captions, the one indexing pipeline, rebuild, audit."""
