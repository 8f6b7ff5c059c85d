"""`manage.py bench` (`make bench`): how fast this platform is here, beside what its PostgreSQL can do by itself.

For a developer's machine: it starts servers of its own, which go when it ends. Nothing of the platform imports this package.
"""
