"""The builder as people see it: rules by choosing, expression and YAML beside them, and the count while editing."""
