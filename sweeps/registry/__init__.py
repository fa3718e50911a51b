"""A study's winner as a registered model in its MLflow store."""
