"""Collect messages, those included that plain Python marks under the name `mark`."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=mark"]
