"""What a study or suite tells when it ends: a webhook or a command, once."""
