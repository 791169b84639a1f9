// What the servers here have in common: one request read, one answer written.
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void answer(int connection) {
    char request[4096], body[128], response[512];
    if (read(connection, request, sizeof request) > 0) {
        int length = snprintf(
            body, sizeof body, "slot=%s generation=%s pid=%d\n", getenv("RELOADERD_SLOT"),
            getenv("RELOADERD_GENERATION"), getpid());
        int size = snprintf(
            response, sizeof response, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
            length, body);
        if (write(connection, response, (size_t)size) != size) perror("write");
    }
    close(connection);
}

static inline struct sockaddr_in loopback(const char *port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static inline void check(int result, const char *what) {
    if (result >= 0) return;
    perror(what);
    exit(1);
}
