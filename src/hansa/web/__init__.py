"""The pages of a node: server-rendered HTML, useful without scripts except for the map."""

from hansa.web.http import routes
from hansa.web.ports import PageSource, Upload
from hansa.web.session import check_same_origin, session_cookie, session_cookie_name

__all__ = [
    "PageSource",
    "Upload",
    "check_same_origin",
    "routes",
    "session_cookie",
    "session_cookie_name",
]
