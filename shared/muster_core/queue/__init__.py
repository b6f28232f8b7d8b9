"""Hints through Celery and Redis: wake-ups that may be lost, repeated or forged."""
