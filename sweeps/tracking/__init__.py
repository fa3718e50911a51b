"""The MLflow view of a study folder and its one writer."""
