"""The run form: from an input's spec to the fields of a page, and from what a link or form gives to a wish."""
