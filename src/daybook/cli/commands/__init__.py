"""The commands, by family; each module adds its own to the application. Bodies import what they need when they run."""
