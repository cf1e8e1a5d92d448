"""The commands of the device package. `linnet.cli` says what a command is."""
