"""What goes wrong with contact, permanent unless its name says otherwise."""


class ContactError(Exception):
    """Root of the errors of this package."""


class TemplateMissing(ContactError):
    """There is no text for what has to be said."""


class TemplateWrong(ContactError):
    """A template file breaks the rules for templates."""


class ProviderAway(ContactError):
    """The provider could not be asked; retryable. Nothing is learnt about any message."""
