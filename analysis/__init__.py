"""From a table of finished runs to the claims that it supports."""
