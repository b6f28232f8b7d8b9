"""Plans and kernels: pure NumPy and PyArrow, no I/O, no Spark."""
