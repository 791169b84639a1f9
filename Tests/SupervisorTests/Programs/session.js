// A client of one HTTP/2 session in the clear: session.js PORT asks for each path that it reads, and prints the status
// of each answer, "cut" for a request that got none, and "closed" at the end of the session.
const session = require("node:http2").connect(`http://127.0.0.1:${process.argv[2]}`);
const say = (text) => console.log(text);
session.on("error", () => {}).on("close", () => { say("closed"); process.stdin.destroy(); });
require("node:readline").createInterface(process.stdin).on("line", (path) => {
  let status = "cut";
  session.request({ ":path": path }).on("error", () => { status = "cut"; })
    .on("response", (headers) => { status = headers[":status"]; })
    .on("close", () => say(status)).resume();
});
