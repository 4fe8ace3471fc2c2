"""Lets ``python -m lossbook.cli`` stand in for the command."""

from lossbook.cli import main

main()
