"""The STAC API: the archive's scenes as items, through stac-fastapi."""

import logging

# It reads settings of its own from the environment when it is imported, and complains to stderr
# that they are not there; ours are given to it.
logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
