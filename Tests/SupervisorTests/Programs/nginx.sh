#!/bin/sh
# nginx in the foreground, with a configuration of its own in a folder of its own: nginx.sh FOLDER PORT [WORDS OF LISTEN]
mkdir -p "$1/$$" && cat >"$1/$$/nginx.conf" <<END
daemon off;
worker_processes 2;
pid $1/$$/pid;
error_log stderr error;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path $1/$$/body;
    proxy_temp_path $1/$$/proxy;
    fastcgi_temp_path $1/$$/fastcgi;
    uwsgi_temp_path $1/$$/uwsgi;
    scgi_temp_path $1/$$/scgi;
    server {
        listen 127.0.0.1:$2 $3;
        location / { return 200 "slot=$RELOADERD_SLOT generation=$RELOADERD_GENERATION pid=$$\n"; }
    }
}
END
exec nginx -e stderr -c "$1/$$/nginx.conf"
