// Node's cluster of two processes that listen themselves, on the socket that the primary has bound: cluster.js PORT
const cluster = require("node:cluster");
cluster.schedulingPolicy = cluster.SCHED_NONE;
if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  require("./app.js");
}
