"""JSON-LD with contexts that resolve offline; a fast road for the contexts we know."""

from hansa.kernel.jsonld.contexts import CORE_URLS, ContextRegistry
from hansa.kernel.jsonld.dsp import (
    DCAT,
    DCT,
    DSP_CONTEXT_URL,
    DSPACE,
    ODRL,
    dsp_context,
    is_plain,
    to_dsp_compact,
)
from hansa.kernel.jsonld.ngsi_ld import (
    CORE,
    CORE_CONTEXT_URL,
    CORE_TERMS,
    DEFAULT_CONTEXT,
    NGSI_LD,
    TermMap,
    compact_ngsi_ld_name,
    expand_ngsi_ld_name,
)

__all__ = [
    "CORE",
    "CORE_CONTEXT_URL",
    "CORE_TERMS",
    "CORE_URLS",
    "DCAT",
    "DCT",
    "DEFAULT_CONTEXT",
    "DSPACE",
    "DSP_CONTEXT_URL",
    "NGSI_LD",
    "ODRL",
    "ContextRegistry",
    "TermMap",
    "compact_ngsi_ld_name",
    "dsp_context",
    "expand_ngsi_ld_name",
    "is_plain",
    "to_dsp_compact",
]
