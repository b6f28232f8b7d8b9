"""The builder of segments: a document that is changed by choosing, in pure Python, with every step undoable."""
