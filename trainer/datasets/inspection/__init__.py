"""Pictures of products, some with defects: readers of inspection data sets."""
