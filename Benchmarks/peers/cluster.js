// Node's own cluster module, reloaded in the way its documentation gives the means for: on SIGHUP a new worker for each
// old one, which is disconnected when the new one listens.
'use strict';
const cluster = require('cluster');
const http = require('http');
const [port, workers] = process.argv.slice(2).map(Number);

if (cluster.isPrimary) {
  for (let i = 0; i < workers; i++) cluster.fork();
  process.on('SIGHUP', () => {
    for (const old of Object.values(cluster.workers)) {
      cluster.fork().once('listening', () => old.disconnect());
    }
  });
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  const body = `slot=0 generation=0 pid=${process.pid}\n`;
  http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length });
    response.end(body);
  }).listen(port, '127.0.0.1');
}
