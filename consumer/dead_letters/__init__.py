"""Dead letters looked at and, once the contract takes them, sent to `clicks` again."""
