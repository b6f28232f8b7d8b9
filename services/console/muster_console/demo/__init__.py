"""A made-up shop, its catalog, segments and exports: what `muster demo` runs on."""
