#!/bin/sh
# python3 -m http.server as it is, in a folder that says who serves it: files.sh FOLDER PORT
mkdir -p "$1/$$" && cd "$1/$$" &&
    echo "slot=$RELOADERD_SLOT generation=$RELOADERD_GENERATION pid=$$" >index.html &&
    exec /usr/bin/python3 -m http.server --bind 127.0.0.1 "$2" 2>/dev/null
