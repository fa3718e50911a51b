"""Study files, search spaces, the driver, the ledger, MLflow tracking and the CLI."""
