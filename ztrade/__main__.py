"""``python -m ztrade``: the command line, where a script could not be executed (``NoExecPaths=``)."""

from ztrade.cli.main import main

main()
