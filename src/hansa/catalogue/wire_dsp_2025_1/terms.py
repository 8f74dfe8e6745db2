"""Names of the descriptive members, written as full IRIs.

A peer resolves the protocol's context only, so a name that is not in it stands in full as the key
(DSP 2025-1 6, DCAT 3 6, schema.org `variableMeasured` for what is measured in which unit).
"""

from hansa.kernel.jsonld import DCAT, DCT

SCHEMA = "https://schema.org/"
FOAF = "http://xmlns.com/foaf/0.1/"
ODRS = "http://schema.theodi.org/odrs#"
XSD = "http://www.w3.org/2001/XMLSchema#"
HANSA = "https://w3id.org/hansa/catalogue/1/"

TITLE = DCT + "title"
DESCRIPTION = DCT + "description"
PUBLISHER = DCT + "publisher"
PUBLISHER_NAME = FOAF + "name"
LICENCE = DCT + "license"
ISSUED = DCT + "issued"
MODIFIED = DCT + "modified"
ATTRIBUTION = ODRS + "attributionText"
KEYWORD = DCAT + "keyword"
THEME = DCAT + "theme"

SPATIAL = DCT + "spatial"
LOCATION = DCT + "Location"
BBOX = DCAT + "bbox"
WKT_LITERAL = "http://www.opengis.net/ont/geosparql#wktLiteral"
TEMPORAL = DCT + "temporal"
PERIOD = DCT + "PeriodOfTime"
START = DCAT + "startDate"
END = DCAT + "endDate"
DATE_TIME = XSD + "dateTime"

VARIABLE = SCHEMA + "variableMeasured"
PROPERTY_VALUE = SCHEMA + "PropertyValue"
VARIABLE_NAME = SCHEMA + "name"
VARIABLE_TITLE = SCHEMA + "alternateName"
UNIT_CODE = SCHEMA + "unitCode"
UNIT_TEXT = SCHEMA + "unitText"
ATTRIBUTE_KIND = HANSA + "attributeKind"
ENTITY_TYPE = HANSA + "entityType"
LABEL = HANSA + "label"

MEDIA_TYPE = DCAT + "mediaType"
MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
BYTE_SIZE = DCAT + "byteSize"
SPDX = "http://spdx.org/rdf/terms#"
CHECKSUM = SPDX + "checksum"
CHECKSUM_TYPE = SPDX + "Checksum"
ALGORITHM = SPDX + "algorithm"
SHA_256 = SPDX + "checksumAlgorithm_sha256"
CHECKSUM_VALUE = SPDX + "checksumValue"

PREFIXES = {DCT: "dct", DCAT: "dcat"}
"""Prefixes that the protocol's context defines, so a peer may have compacted with them."""
