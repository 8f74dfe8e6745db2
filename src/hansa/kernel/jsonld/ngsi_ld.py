"""Names of NGSI-LD attributes and types: short names and IRIs under a context.

The core context's terms stand here as a table of our own (NGSI-LD 1.9.1 Annex B), so that no
context has to be fetched or shipped. The core context always wins over a user's (5.5.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hansa.kernel.errors import Code, HansaError

CORE_CONTEXT_URL = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.9.jsonld"
NGSI_LD = "https://uri.etsi.org/ngsi-ld/"
DEFAULT_CONTEXT = "https://uri.etsi.org/ngsi-ld/default-context/"
_GEOJSON = "https://purl.org/geojson/vocab#"

_SAME_NAME = """
Attribute AttributeList ContextSourceIdentity ContextSourceNotification ContextSourceRegistration
Date DateTime EntityMap EntityType EntityTypeInfo EntityTypeList ExecutionResultDetails
GeoProperty JsonProperty LanguageProperty ListProperty ListRelationship Notification Property
Relationship Snapshot SnapshotNotification Subscription TemporalProperty Time VocabProperty accept
aggrMethods aggrParams aggrPeriodDuration attributeCount attributeDetails attributeList
attributeName attributeNames attributeTypes attributes attrs avg cacheDuration collation
contextSourceAlias contextSourceExtras contextSourceInfo contextSourceTimeAt contextSourceUptime
cooldown createdAt csf data datasetId deletedAt detail distinctCount endAt endTimeAt endpoint
entities entity entityCount entityId entityList error errors expandValues expiresAt format geoQ
geoproperty georel idPattern information instanceId isActive join jsonKeys jsonldContext jsons
lang lastFailure lastN lastNotification lastSuccess lastUsedAt linkedMaps localOnly location
management managementInterval max min mode modifiedAt ngsildConformance ngsildproof notUpdated
notification notificationTrigger notifiedAt notifierInfo observationInterval observationSpace
observedAt omit operationSpace operations orderBy ordering pick problemDetails propertyNames q
reason receiverInfo refreshRate registrationId registrationName relationshipNames resultStatus
scope scopeQ showChanges snapshotId snapshotLifetime snapshotPriority snapshotQueries
snapshotQueriesDetails snapshotStatus snapshotTemporalQueries snapshotTemporalQueriesDetails
startAt status stddev subscriptionId subscriptionName success sum sumsq sysAttrs temporalQ tenant
throttling timeAt timeInterval timeout timeproperty timerel timesFailed timesSent totalCount
triggerReason typeList typeName typeNames unchanged unitCode updated uri watchedAttributes
""".split()
_HAS = {
    "value": "hasValue",
    "values": "hasValues",
    "object": "hasObject",
    "objects": "hasObjects",
    "objectType": "hasObjectType",
    "objectList": "hasObjectList",
    "objectLists": "hasObjectLists",
    "languageMap": "hasLanguageMap",
    "languageMaps": "hasLanguageMaps",
    "vocab": "hasVocab",
    "vocabs": "hasVocabs",
    "json": "hasJSON",
    "valueList": "hasValueList",
    "valueLists": "hasValueLists",
    "valueType": "hasValueType",
    "previousValue": "hasPreviousValue",
    "previousObject": "hasPreviousObject",
    "previousObjectList": "hasPreviousObjectList",
    "previousLanguageMap": "hasPreviousLanguageMap",
    "previousVocab": "hasPreviousVocab",
    "previousJson": "hasPreviousJson",
    "previousValueList": "hasPreviousValueList",
    "dataset": "hasDataset",
    "entityMap": "hasEntityMap",
    "entityMapLifetime": "hasEntityMapLifetime",
    "joinLevel": "hasJoinLevel",
    "key": "hasKey",
    "splitEntities": "hasSplitEntities",
    "containedBy": "isContainedBy",
}
_GEO_TERMS = """
Feature FeatureCollection GeometryCollection LineString MultiLineString MultiPoint MultiPolygon
Point Polygon bbox coordinates features geometry properties
""".split()

CORE_TERMS: Mapping[str, str] = {
    **{name: NGSI_LD + name for name in _SAME_NAME},
    **{name: NGSI_LD + target for name, target in _HAS.items()},
    **{name: _GEOJSON + name for name in _GEO_TERMS},
    "id": "@id",
    "type": "@type",
    "description": "http://purl.org/dc/terms/description",
    "title": "http://purl.org/dc/terms/title",
    "langString": "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString",
}
"""Term to IRI of the core context v1.9."""

CORE_PREFIXES: Mapping[str, str] = {"ngsi-ld": NGSI_LD, "geojson": _GEOJSON}


class TermMap:
    """Short names to IRIs and back, under the core context and one user context.

    Compiled once per context; expanding a name is one dictionary look-up. Only what names of
    attributes and types need is kept: terms, prefixes and `@vocab`. Scoped contexts are refused
    (NGSI-LD 1.9.1 5.5.7).
    """

    def __init__(self, definitions: Mapping[str, Any] | None = None) -> None:
        self._terms: dict[str, str] = {}
        self._prefixes: dict[str, str] = dict(CORE_PREFIXES)
        self._vocabulary = DEFAULT_CONTEXT
        raw = dict(definitions or {})
        vocabulary = raw.pop("@vocab", None)
        if isinstance(vocabulary, str) and ":" in vocabulary:
            self._vocabulary = vocabulary
        for name, definition in raw.items():
            self._define(name, definition)
        for name in list(self._terms):
            self._terms[name] = self._absolute(self._terms[name])
        self._terms = {n: i for n, i in self._terms.items() if ":" in i}
        self._terms.update(CORE_TERMS)
        self._names = {iri: name for name, iri in reversed(self._terms.items())}

    def _define(self, name: str, definition: Any) -> None:
        if name.startswith("@"):
            return
        if isinstance(definition, Mapping):
            if "@context" in definition:
                raise HansaError(
                    Code.invalid_field,
                    "A scoped context inside a term is not allowed.",
                    "Use a context without `@context` inside its terms.",
                    field=f"@context.{name}",
                )
            definition = definition.get("@id", name)
        if not isinstance(definition, str):
            return
        self._terms[name] = definition
        if definition.endswith(("/", "#", ":", "?")):
            self._prefixes.setdefault(name, definition)

    def _absolute(self, iri: str, depth: int = 0) -> str:
        head, colon, tail = iri.partition(":")
        if colon and not tail.startswith("//") and depth < 8:
            if head in self._prefixes:
                return self._absolute(self._prefixes[head] + tail, depth + 1)
            if head in self._terms and self._terms[head] != iri:
                return self._absolute(self._terms[head], depth + 1) + tail
        return iri

    def expand(self, name: str) -> str:
        """Give the IRI of a short name; an IRI stays as it is."""
        found = self._terms.get(name)
        if found is not None:
            return found
        head, colon, tail = name.partition(":")
        if not colon:
            return self._vocabulary + name
        if not tail.startswith("//") and head in self._prefixes:
            return self._prefixes[head] + tail
        return name

    def compact(self, iri: str) -> str:
        """Give the short name of an IRI under this context; else the IRI itself."""
        found = self._names.get(iri)
        if found is not None:
            return found
        if iri.startswith(self._vocabulary):
            name = iri[len(self._vocabulary) :]
            if name and ":" not in name and name not in self._terms:
                return name
        for prefix, start in self._prefixes.items():
            if iri.startswith(start) and len(iri) > len(start):
                return f"{prefix}:{iri[len(start) :]}"
        return iri


CORE = TermMap()
"""The core context alone."""


@lru_cache(maxsize=65_536)
def expand_ngsi_ld_name(name: str) -> str:
    """Give the IRI of an attribute or type name under the core context."""
    return CORE.expand(name)


@lru_cache(maxsize=65_536)
def compact_ngsi_ld_name(iri: str) -> str:
    """Give the short name of an attribute or type under the core context."""
    return CORE.compact(iri)
