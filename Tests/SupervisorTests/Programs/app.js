// node:http and nothing else. /gate?PATH answers when a line can be read from the FIFO at PATH.
const fs = require("node:fs");
const { RELOADERD_SLOT: slot, RELOADERD_GENERATION: generation } = process.env;
const body = `slot=${slot} generation=${generation} pid=${process.pid}\n`;
require("node:http").createServer((request, response) => {
  if (!request.url.startsWith("/gate?")) return response.end(body);
  fs.createReadStream(request.url.slice(6)).once("data", () => response.end(body));
}).listen(Number(process.argv[2]), "127.0.0.1");
