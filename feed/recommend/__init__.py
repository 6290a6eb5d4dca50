"""What to show a user: genres by taste and forecast, shows by recent clicks. Pure."""
