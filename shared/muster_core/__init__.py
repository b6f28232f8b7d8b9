"""What every Muster service knows: rules, catalog, kernels, store, runs and exports."""
