#!/bin/sh
# nginx in the foreground, with a configuration of its own in a folder of its own: nginx.sh FOLDER PORT [WORDS OF
# LISTEN] With UPSTREAM=PORT it is a proxy that keeps its connections to 127.0.0.1:PORT, each for KEEPALIVE_TIME (nginx:
# 1h), passes everything on at once, and says how long its server took.
location="return 200 \"slot=$RELOADERD_SLOT generation=$RELOADERD_GENERATION pid=$$\\n\";"
[ -z "$UPSTREAM" ] || location='
            proxy_pass http://upstream;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
            add_header X-Upstream-Time $upstream_response_time always;'
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
    upstream upstream { server 127.0.0.1:${UPSTREAM:-1}; keepalive 32; keepalive_time ${KEEPALIVE_TIME:-1h}; }
    server {
        listen 127.0.0.1:$2 $3;
        location / {$location }
    }
}
END
exec nginx -e stderr -c "$1/$$/nginx.conf"
