"""The dashboard in a real browser, fed by a real deployment."""
