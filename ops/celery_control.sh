#!/bin/sh
# Start, stop and look at the whole stack: redis, exchange, a worker per agent, beat, keeper, flower.
#
#   celery_control.sh [--config FILE] [--state DIR] start [-- EXCHANGE ARGUMENTS]
#   celery_control.sh [...] stop|restart [PROGRAM or AGENT ...]
#   celery_control.sh [...] status [--json]
#   celery_control.sh [...] logs [-f] [worker|beat|keeper|flower|exchange|redis|AGENT]
#   celery_control.sh [...] test [--seconds N]
#
# Exit codes: 0 fine, 1 something is not fine, 2 bad usage or configuration, or another stack has the state directory.
# supervisord knows the processes; nothing here guesses a pid or looks for a name.
set -eu

usage() {
    sed -n '2,11s/^# \{0,1\}//p' "$0"
}

# the interpreter beside `ztrade`: of this checkout, of this wheel, or of the PATH
python() {
    here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
    for bin in "$here/../.venv/bin" "$here/../../../../../../bin"; do
        if [ -x "$bin/ztrade" ]; then
            printf '%s\n' "$bin/python"
            return
        fi
    done
    if found=$(command -v ztrade); then
        printf '%s\n' "$(dirname -- "$(readlink -f -- "$found")")/python"
        return
    fi
    echo "error: ztrade is not installed here; fix: run 'make' in the checkout, or put ztrade on the PATH" >&2
    exit 2
}

[ $# -gt 0 ] || { usage >&2; exit 2; }

# options before the verb go before it to the command as well
config='' state=''
while [ $# -gt 0 ]; do
    case $1 in
        --config | --state)
            [ $# -gt 1 ] || { echo "error: $1 needs a value" >&2; exit 2; }
            if [ "$1" = --config ]; then config=$2; else state=$2; fi
            shift 2
            ;;
        -h | --help | help) usage; exit 0 ;;
        start | stop | restart | status | logs | test) break ;;
        *) echo "error: unknown command '$1'; fix: one of start stop restart status logs test" >&2; exit 2 ;;
    esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }

exe=$(python)
exec "$exe" -m ztrade.cli.service ${config:+--config "$config"} ${state:+--state "$state"} stack "$@"
