"""The expression spelling of conditions: a short text for people, lossless both ways with the document."""
