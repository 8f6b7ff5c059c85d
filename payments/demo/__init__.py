"""`manage.py demo` (`make run`): the whole platform on one machine, a lab to play with, and the main job shown.

For local settings alone, where a simulator plays every gateway. Nothing of the platform imports this package.
"""
