"""What the API declares to conform to: that, and no more, works."""

_STAC = "https://api.stacspec.org/"
_FEATURES = "http://www.opengis.net/spec/ogcapi-features-"
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf/"

CLASSES = (
    f"{_STAC}v1.0.0/core",
    f"{_STAC}v1.0.0/collections",
    f"{_STAC}v1.0.0/ogcapi-features",
    f"{_STAC}v1.0.0-rc.1/collection-search",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
    f"{_STAC}v1.0.0/item-search",
    f"{_FEATURES}1/1.0/conf/core",
    f"{_FEATURES}1/1.0/conf/oas30",
    f"{_FEATURES}1/1.0/conf/geojson",
    # A text is a meaning: commas, AND, OR and brackets are read, and their words make one query.
    f"{_STAC}v1.0.0-rc.1/item-search#free-text",
    f"{_STAC}v1.0.0-rc.1/item-search#advanced-free-text",
    f"{_STAC}v1.0.0-rc.1/ogcapi-features#free-text",
    f"{_STAC}v1.0.0-rc.1/ogcapi-features#advanced-free-text",
    f"{_STAC}v1.0.0/item-search#fields",
    f"{_STAC}v1.0.0/ogcapi-features#fields",
    f"{_STAC}v1.0.0/item-search#sort",  # what pystac-client 0.9 looks for
    f"{_STAC}v1.0.0/ogcapi-features#sort",
    f"{_STAC}v1.1.0/item-search#sort",
    f"{_STAC}v1.1.0/item-search#sortables",
    f"{_STAC}v1.1.0/ogcapi-features#sort",
    f"{_FEATURES}5/1.0/conf/sortables",
    f"{_STAC}v1.0.0-rc.2/item-search#filter",
    f"{_FEATURES}3/1.0/conf/filter",
    f"{_FEATURES}3/1.0/conf/features-filter",
    f"{_FEATURES}3/1.0/conf/queryables",
    f"{_CQL2}cql2-text",
    f"{_CQL2}cql2-json",
    f"{_CQL2}basic-cql2",
    f"{_CQL2}advanced-comparison-operators",
    f"{_CQL2}basic-spatial-functions",
    f"{_CQL2}basic-spatial-functions-plus",
)
