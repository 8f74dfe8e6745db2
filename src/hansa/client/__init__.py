"""A client of the management API: plain JSON by `Client`, typed objects by `Node`.

    from hansa.client import Node

    with Node("http://localhost:7711", token) as node:
        east = node.participant("delft-east")
        for agreement in east.agreements():
            print(agreement.dataset_title, agreement.terms.summary)

Blocking, on the standard library: a script, a notebook and a thread can use it as it is.
"""

from __future__ import annotations

from hansa.client.connection import Client

__all__ = ["Client"]
