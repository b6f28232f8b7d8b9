"""Extracting PostgreSQL sources into immutable Parquet files of the lake."""
