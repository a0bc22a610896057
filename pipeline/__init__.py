"""How a cube is made: sources -> plan -> read -> build -> check, and the report a person looks at.

This package knows `mmvsf.datasets` and never `mmvsf.model`.
"""
