"""Tokens: of an OpenID provider, and those that pages hand out to get back."""
