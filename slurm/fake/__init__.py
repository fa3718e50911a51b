"""What a whole fake site answers, read from text files in the formats of real ones. Standard library only."""
