"""HTML pages that need nothing from outside: what the preview of data and the reports share."""

from vistune.data.pages.page import html_page
from vistune.data.pages.pictures import data_uri
from vistune.data.pages.style import STYLE

__all__ = ["STYLE", "data_uri", "html_page"]
