"""The command line `keras-dropouts`."""
