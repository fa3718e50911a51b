"""A store for a lab: PostgreSQL and MLflow's server in one folder of one machine."""
