"""The composition root: the only package that names concrete classes. `build.py` puts together what the others make."""
