"""The manifests under kubernetes/, as kubectl builds them."""
