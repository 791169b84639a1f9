// What shapes.py is for HTTP/1, for HTTP/2 in the clear: h2c.js PORT SESSIONS. Each session has three chains of
// requests at the same time: answers after 0 to 2.5 s, streams with pauses, and quick ones with pauses between them. It
// asks nothing new after 5 s, and ends when all is answered: a session that never rests can only be cut in the end.
const http2 = require("node:http2");
const [port, sessions] = process.argv.slice(2).map(Number);
const RACE = 20; // ms, as in shapes.py
const patience = 20_000, lifetime = 5_000; // ms
const start = Date.now();
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const reports = {};
for (const name of ["slow", "stream", "quick"]) {
  reports[name] = { requests: 0, ok: 0, cut: {}, races: 0, idle_closed: 0, announced: 0, details: [] };
}
const kinds = {
  slow: () => ask(`/sleep?ms=${Math.floor(Math.random() * 2500)}`, isWho),
  stream: () => ask("/stream?n=4&pause=700", (body) => body === "chunk\n".repeat(4)),
  quick: () => ask("/", isWho),
};
const thinks = { slow: 50, stream: 50, quick: 400 };
let isOver = false;
process.stdin.on("data", () => {}).on("end", () => { isOver = true; });

const seen = new Set();
function isWho(body) {
  const found = /^slot=\d+ generation=(\d+) pid=\d+\n$/.exec(body);
  if (found && !seen.has(found[1])) {
    seen.add(found[1]);
    console.log(`generation ${found[1]}`);
  }
  return found !== null;
}

function ask(path, isDue) { return { path, isDue }; }

// Settles with undefined, or with what went wrong.
function exchanged(session, { path, isDue }) {
  return new Promise((resolve) => {
    const stream = session.request({ ":path": path });
    let status, error, body = "";
    stream.setEncoding("utf8");
    stream.setTimeout(patience, () => { error = ["timed_out", "no answer"]; stream.close(); });
    stream.on("response", (headers) => { status = headers[":status"]; });
    stream.on("data", (chunk) => { body += chunk; });
    stream.on("error", (reason) => { error ??= ["reset", reason.code ?? reason.message]; });
    stream.on("close", () => {
      if (error) resolve(error);
      else if (status === undefined) resolve(["early_end", `rst code ${stream.rstCode}`]);
      else if (status !== 200) resolve(["status", String(status)]);
      else if (!isDue(body)) resolve([stream.readableAborted ? "early_end" : "wrong", JSON.stringify(body)]);
      else resolve(undefined);
    });
  });
}

async function chain(session, name) {
  const report = reports[name];
  const end = Date.now() + lifetime;
  while (!isOver && Date.now() < end && !session.closed && !session.destroyed) {
    const sent = Date.now();
    const wrong = await exchanged(session, kinds[name]());
    const after = Date.now() - sent;
    report.requests += 1;
    if (!wrong) report.ok += 1;
    else if (["reset", "early_end"].includes(wrong[0]) && session.hasAnswered && after <= RACE) report.races += 1;
    else report.cut[wrong[0]] = (report.cut[wrong[0]] ?? 0) + 1;
    if (!wrong) session.hasAnswered = true;
    else if (report.details.length < 20)
      report.details.push(`${(sent - start) / 1000} s: ${wrong.join(": ")}, after ${after} ms`);
    await wait(thinks[name]);
  }
}

async function client() {
  while (!isOver) {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const failure = await new Promise((resolve) => {
      session.once("connect", () => resolve(undefined)).once("error", resolve);
    });
    if (failure) {
      const kind = failure.code === "ECONNREFUSED" ? "refused" : "reset";
      reports.quick.requests += 1;
      reports.quick.cut[kind] = (reports.quick.cut[kind] ?? 0) + 1;
      await wait(20);
      continue;
    }
    session.on("error", () => {}); // each stream says what it lost
    session.once("goaway", () => { reports.quick.announced += 1; });
    await Promise.all(Object.keys(kinds).map((name) => chain(session, name)));
    session.destroy();
  }
}

(async () => {
  const clients = Array.from({ length: sessions }, client);
  while (Object.values(reports).some((report) => report.ok === 0)) await wait(50);
  console.log("started");
  await Promise.all(clients);
  console.log(JSON.stringify({ shapes: reports }));
})();
