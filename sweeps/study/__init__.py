"""Study files: the strict reader, the sections, the search spaces, the planned folds."""
