"""The command line; nothing else prints or exits."""
