#!/usr/bin/env node
// An HTTP worker for Node, no packages.
//
// Under reloaderd:    reloaderd --listen 127.0.0.1:8080 node Examples/node/worker.js
// By hand:            node worker.js 8080, or PORT=8080 (0: any free port)
//
//     GET /              200  slot=0 generation=1 pid=123
//     GET /slow?ms=200   the same, 200 ms later (60,000 at most)
//
// A drain (SIGTERM) loses nothing when every request that reaches this worker is answered by it, and no client has to
// find out by a failed request that its connection is gone:
//   1. What waits in the accept queue is accepted, then this worker's descriptor of the listener is closed. The
//      listener itself lives on in the supervisor and in the other workers.
//   2. Every accepted connection gets its answer, and each answer from now on says "Connection: close".
//   3. An idle keep-alive connection has had an answer without that word. Closing it at once would race with a request
//      that is already on its way, so it is kept for one request more, for DRAIN_IDLE_MS (5000) at most. That has to be
//      well under the supervisor's --stop-timeout.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

const DELAY_MS_MAX = 60_000;
// Node calls listen(2) on an inherited listener too, which sets its backlog again: 511 unless told.
const BACKLOG = 4096;
// For the client to close, after this side has.
const LINGERING_MS = 1000;
// A turn of the event loop accepts all that waits. Under a load without a pause no turn is empty: so many, then.
const ACCEPT_TURNS_AT_DRAIN = 100;

const readyDescriptor = takeNumber('READY_FD');
const watchdogMicroseconds = takeNumber('WATCHDOG_USEC');
const listenerCount = inheritedListeners();
const drainIdleMilliseconds = takeNumber('DRAIN_IDLE_MS') ?? 5000;
const slot = process.env.RELOADERD_SLOT ?? '0';
const generation = process.env.RELOADERD_GENERATION ?? '0';
const identity = `slot=${slot} generation=${generation} pid=${process.pid}\n`;

const servers = [];
const connections = new Map();
let acceptedCount = 0;
let isDraining = false;

start();

function start() {
    let notListening = Math.max(1, listenerCount);
    const listening = () => {
        notListening -= 1;
        if (notListening > 0) return;
        tell('READY=1');
        if (watchdogMicroseconds !== undefined) setInterval(tell, watchdogMicroseconds / 2000, 'WATCHDOG=1').unref();
    };
    if (listenerCount === 0) {
        const server = makeServer();
        server.listen(ownPort(), '127.0.0.1', BACKLOG, () => {
            process.stderr.write(`worker.js: listening on 127.0.0.1:${server.address().port}\n`);
            listening();
        });
    }
    for (let index = 0; index < listenerCount; index += 1) makeServer().listen({ fd: 3 + index }, BACKLOG, listening);
    process.on('SIGTERM', drain);
}

function makeServer() {
    // Node closes a connection that has been idle for 5 s: too short, each close can meet a request on its way.
    const server = http.createServer({ keepAliveTimeout: 75_000 }, answer);
    server.on('connection', (socket) => {
        acceptedCount += 1;
        const connection = { socket, requests: [], bytesAnswered: 0, timer: undefined };
        connections.set(socket, connection);
        socket.on('close', () => {
            clearTimeout(connection.timer);
            connections.delete(socket);
        });
        if (isDraining) closeWhenIdle(connection);
    });
    server.on('error', (error) => {
        process.stderr.write(`worker.js: cannot listen: ${error.message}\n`);
        process.exit(1);
    });
    servers.push(server);
    return server;
}

// Pipelined requests are answered one after the other, so that each answer knows whether another comes after it.
function answer(request, response) {
    const connection = connections.get(request.socket);
    response.on('close', () => {
        connection.requests.shift();
        connection.bytesAnswered = connection.socket.bytesRead;
        if (connection.requests.length > 0) answerFirst(connection);
        else if (isDraining) closeWhenIdle(connection);
    });
    request.resume();
    request.on('end', () => {
        connection.requests.push({ request, response });
        if (connection.requests.length === 1) answerFirst(connection);
    });
}

function answerFirst(connection) {
    if (connection.socket.destroyed) return;
    const { request, response } = connection.requests[0];
    const { status, delay } = read(request);
    if (delay > 0) setTimeout(respond, delay, connection, request, response, status);
    else respond(connection, request, response, status);
}

function read(request) {
    const [path, query = ''] = request.url.split('?', 2);
    if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, delay: 0 };
    if (path === '/') return { status: 200, delay: 0 };
    if (path !== '/slow') return { status: 404, delay: 0 };
    const slow = /^ms=([0-9]{1,9})$/.exec(query);
    return slow ? { status: 200, delay: Math.min(Number(slow[1]), DELAY_MS_MAX) } : { status: 400, delay: 0 };
}

function respond(connection, request, response, status) {
    if (connection.socket.destroyed) return;
    const body = status === 200 ? identity : `${status} ${http.STATUS_CODES[status]}\n`;
    const headers = { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body) };
    if (status === 405) headers.Allow = 'GET, HEAD';
    // What the client had sent before it could know of a close (pipelining) is answered too.
    if (isDraining && connection.requests.length === 1) headers.Connection = 'close';
    response.writeHead(status, headers);
    response.end(body);
}

function drain() {
    if (isDraining) return;
    isDraining = true;
    tell('STOPPING=1');
    for (const connection of connections.values()) closeWhenIdle(connection);
    emptyAcceptQueue(ACCEPT_TURNS_AT_DRAIN);
}

// A turn of the event loop that brought no connection has seen the queue empty. setImmediate runs after the turn's
// sockets; the first one belongs to the turn that brought the signal, which may have looked at the listener before it.
function emptyAcceptQueue(turnsLeft) {
    setImmediate(() => {
        const before = acceptedCount;
        setImmediate(() => {
            if (acceptedCount === before || turnsLeft === 0) closeListeners();
            else emptyAcceptQueue(turnsLeft - 1);
        });
    });
}

// http.Server's own close() would also close the idle connections, at once. What it inherits closes the listener only.
function closeListeners() {
    for (const server of servers) net.Server.prototype.close.call(server);
}

// Gives a connection its time for one request more.
function closeWhenIdle(connection) {
    clearTimeout(connection.timer);
    if (connection.requests.length > 0 || connection.socket.writableEnded) return;
    connection.timer = setTimeout(() => {
        // Timers come before the sockets in a turn of the loop: a request that has just arrived still counts.
        setImmediate(() => {
            if (connection.requests.length > 0 || connection.socket.destroyed) return;
            // The first part of a request is there; Node's own headersTimeout (60 s) bounds the wait for the rest.
            if (connection.socket.bytesRead > connection.bytesAnswered) closeWhenIdle(connection);
            else closeOwnSide(connection);
        });
    }, drainIdleMilliseconds);
}

function closeOwnSide(connection) {
    connection.socket.end();
    connection.timer = setTimeout(() => connection.socket.destroy(), LINGERING_MS);
}

// Serving matters more than telling: a message that can't be written is told to people.
function tell(message) {
    if (readyDescriptor === undefined) return;
    try {
        fs.writeSync(readyDescriptor, `${message}\n`);
    } catch (error) {
        process.stderr.write(`worker.js: cannot tell the supervisor ${message}: ${error.message}\n`);
    }
}

// Most variables here are about this one process: children must not see them.
function takeNumber(name) {
    const value = process.env[name];
    delete process.env[name];
    if (value === undefined) return undefined;
    if (!/^[0-9]{1,15}$/.test(value)) fail(`${name}=${value}: expected a number`);
    return Number(value);
}

// sd_listen_fds(3): descriptors from 3 on, when they are meant for this process.
function inheritedListeners() {
    const owner = takeNumber('LISTEN_PID');
    const count = takeNumber('LISTEN_FDS');
    delete process.env.LISTEN_FDNAMES;
    delete process.env.LISTEN_PIDFDID;
    if (owner === undefined || count === undefined) return 0;
    if (owner !== process.pid) {
        fail(`the listeners are for process ${owner}, this is ${process.pid} (start it with exec)`);
    }
    return count;
}

function ownPort() {
    const text = process.argv[2] ?? process.env.PORT ?? '8080';
    if (!/^[0-9]{1,5}$/.test(text) || Number(text) > 65535) fail(`port ${text}: expected a number from 0 to 65535`);
    return Number(text);
}

function fail(text) {
    process.stderr.write(`worker.js: ${text}\n`);
    process.exit(1);
}
