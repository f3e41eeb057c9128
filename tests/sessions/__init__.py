"""The parts of noxfile.py that are more than a list of commands."""
