"""The commands of the workstation's package. linnet.cli says what a command is; heavy imports stay inside run()."""
