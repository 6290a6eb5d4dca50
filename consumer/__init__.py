"""The consumer: poll -> decode -> aggregate -> apply -> close -> forecast -> publish."""
