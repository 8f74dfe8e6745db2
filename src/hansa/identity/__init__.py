"""Keys, DIDs, credentials, the wallet, and the one function from request headers to caller."""

from hansa.identity.model import Caller, Membership

__all__ = ["Caller", "Membership"]
