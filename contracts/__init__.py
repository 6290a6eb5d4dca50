"""Wire models, settings and the pure rules that every part of genrecast shares."""
