"""The commands of the command line, one a module: `command` runs it, `EXAMPLES` ends its help."""
