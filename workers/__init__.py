"""Workers: the Celery app and its thin tasks; each calls one function of the indexer."""
