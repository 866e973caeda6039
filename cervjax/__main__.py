"""`python -m cervjax` is the command `cervjax`."""

from cervjax.commands import main

main()
