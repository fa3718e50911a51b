"""What a site says of itself, and the profile that follows from it."""
