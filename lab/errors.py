"""The one exception for mistakes that the user can mend."""


class UserError(Exception):
    """A mistake in an option, a file or a folder; its text is one line that says how to mend it."""
