"""Tests of what users meet: the command line, the package as installed, the plugin, files, pictures, the protocol."""
