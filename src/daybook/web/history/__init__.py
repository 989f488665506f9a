"""What is known of all runs without reading each record: an index that is made from the buckets, and can be lost."""

from daybook.web.history.history import History
from daybook.web.history.model import Filter, Page, RunRow

__all__ = ["Filter", "History", "Page", "RunRow"]
