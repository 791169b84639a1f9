// node:http and nothing else, or node:http2 in the clear if the second word is h2c: app.js PORT [h2c]. Answers what
// shapes.py asks for; /gate?PATH answers when a line can be read from the FIFO at PATH.
const fs = require("node:fs");
const { RELOADERD_SLOT: slot, RELOADERD_GENERATION: generation } = process.env;
const body = `slot=${slot} generation=${generation} pid=${process.pid}\n`;
const [port, protocol] = process.argv.slice(2);

require(protocol === "h2c" ? "node:http2" : "node:http").createServer((request, response) => {
  const [path, query] = request.url.split("?");
  const value = (name) => Number(new URLSearchParams(query).get(name));
  if (path === "/gate") gate(query, response);
  else if (path === "/sleep") setTimeout(() => response.end(body), value("ms"));
  else if (path === "/upload") count(request, response);
  else if (path === "/stream") stream(response, value("n"), value("pause"));
  else response.end(body);
}).listen(Number(port), "127.0.0.1");

// A second read of the FIFO would wait for ever, in one of the four threads that node reads files with.
function gate(fifo, response) {
  const stream = fs.createReadStream(fifo).once("data", () => { stream.destroy(); response.end(body); });
}

function count(request, response) {
  let bytes = 0;
  request.on("data", (chunk) => { bytes += chunk.length; });
  request.on("end", () => response.end(`${bytes}\n`));
}

function stream(response, left, pause) {
  response.write("chunk\n");
  if (left > 1) setTimeout(() => stream(response, left - 1, pause), pause);
  else response.end();
}
