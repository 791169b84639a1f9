// Node's own cluster module with an app that knows nothing of it, reloaded by its usual recipe: on SIGHUP a new worker
// for each old one, which is disconnected when the new one listens. cluster.js WORKERS APP [ARG...]
const cluster = require('node:cluster');
const [workers, app, ...args] = process.argv.slice(2);

cluster.setupPrimary({ exec: app, args });
let generation = 1;
const fork = (slot) => {
  const worker = cluster.fork({ RELOADERD_SLOT: slot, RELOADERD_GENERATION: generation });
  worker.slot = slot;
  return worker;
};
const say = (event) =>
  console.error(JSON.stringify({ event, generation, workers: Object.keys(cluster.workers).length }));

let listening = 0;
for (let slot = 0; slot < Number(workers); slot++) {
  fork(slot).once('listening', () => { if (++listening === Number(workers)) say('pool_ready'); });
}
process.on('SIGHUP', () => {
  generation++;
  const old = Object.values(cluster.workers).filter((worker) => !worker.exitedAfterDisconnect);
  let replaced = 0;
  for (const worker of old) {
    fork(worker.slot).once('listening', () => {
      worker.disconnect();
      if (++replaced === old.length) say('reload_done');
    });
  }
});
process.on('SIGTERM', () => {
  for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL');
  process.exit(0);
});
