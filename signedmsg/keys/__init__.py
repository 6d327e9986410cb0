"""Keys: private ones that sign, and directories of public ones that verify."""
