"""What a new password has to be, said in every language of the interface."""

from django.contrib.auth.password_validation import MinimumLengthValidator
from django.utils.translation import gettext as _


class LongEnough(MinimumLengthValidator):
    """Django's check; its own sentence is not there in Arabic."""

    def get_error_message(self) -> str:
        """Return what is wrong with a password that is too short."""
        return _("This password is too short: it needs at least %(least)d characters.") % {
            "least": self.min_length
        }
