"""Folders that hold study folders and suites, shown together in one MLflow UI."""
