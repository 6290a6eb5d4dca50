"""The live feed: subscribers of the forecast topic, and where a deployment stands."""
