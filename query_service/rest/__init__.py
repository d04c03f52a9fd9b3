"""The service's own paths, outside of STAC."""
