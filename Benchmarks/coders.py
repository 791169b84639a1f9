"""The toolchain's JSON coder (FoundationEssentials) in the place of ours, in one run: the daemon built with either, its
size, its anonymous memory, its `status`; what either makes of documents that a stranger may send; what the coders take.
Limit: 16 MB for the stripped daemon."""
import glob, json, os, random, shutil, socket, statistics, subprocess, sys, tempfile, threading, time
import pool
from pool import Daemon, table, worker

ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
own = "Sources/Supervisor/JSON"
replaced = [f"{own}/{name}" for name in ("JSONReader.swift", "JSON+Write.swift")]


def run(*words):
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(words)}\nended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def build_with_library():
    """The daemon with the toolchain's coder: a copy of the sources with two files exchanged."""
    tree = f"{pool.folder}/json-library"
    os.makedirs(tree, exist_ok=True)
    for name in ("Sources", "Tests", "Examples"):
        shutil.rmtree(f"{tree}/{name}", ignore_errors=True)
        shutil.copytree(name, f"{tree}/{name}", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy("Package.swift", tree)
    for path in replaced: os.remove(f"{tree}/{path}")
    for name in ("Codable.swift", "Library.swift"): shutil.copy(f"Benchmarks/coders/{name}", f"{tree}/{own}")
    build = ["swift", "build", "--package-path", tree, "--scratch-path", f"{tree}/.build", "-c", "release",
             "--static-swift-stdlib", "-Xswiftc", "-static-executable"]
    run(*build, "--product", "reloaderd")
    binary = f"{pool.folder}/reloaderd-library"
    run("strip", "-o", binary, f"{run(*build, '--show-bin-path').strip()}/reloaderd")
    return binary


def build_comparison():
    """Both coders in one program; ours from the product's own files."""
    program, flags = f"{pool.folder}/json-compare", ["-swift-version", "6", "-O", "-wmo"]
    with tempfile.TemporaryDirectory() as folder:
        run("swiftc", *flags, "-parse-as-library", "-module-name", "Reloader", "-emit-module",
            "-emit-module-path", f"{folder}/Reloader.swiftmodule", "-c", "-o", f"{folder}/Reloader.o",
            *glob.glob("Sources/Reloader/*.swift"))
        run("swiftc", *flags, "-I", folder, "-static-stdlib", "-static-executable", "-o", program,
            "Benchmarks/coders/main.swift", "Benchmarks/coders/Codable.swift", *glob.glob(f"{own}/*.swift"),
            f"{folder}/Reloader.o")
    return program


def ask(file):
    """The daemon's answer to `status`."""
    file.write(b'{"v":1,"verb":"status"}\n')
    file.flush()
    return file.readline()


def measure(binary, count):
    """Anonymous KiB when idle and after 21 answers, most resident KiB, milliseconds of CPU an answer; and an answer."""
    pool.reloaderd = binary
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon("--name", "bench", "--workers", count, worker,
                        environment={"RUNTIME_DIRECTORY": folder, "STATE_DIRECTORY": folder})
        daemon.wait("pool_ready")
        threading.Thread(target=daemon.process.stderr.read, daemon=True).start()
        time.sleep(1)  # what follows the readiness of the last worker is not idleness
        idle = daemon.status("RssAnon")[0]
        client = socket.socket(socket.AF_UNIX)
        client.connect(f"{folder}/bench.sock")
        file, used = client.makefile("rwb"), []
        for _ in range(21):
            before = daemon.cpu_seconds()
            answer = ask(file)
            used.append((daemon.cpu_seconds() - before) * 1000)
        after, most = daemon.status("RssAnon", "VmHWM")
        daemon.process.terminate()
        daemon.process.wait()
        return (idle, after, most, statistics.median(used)), answer


def named_documents():
    """What a reader of JSON meets sooner or later."""
    texts = [
        '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"z":1,"a":2,"m":3}', "[1,]", '{"a":1,}', "[,]", "1 2", "", "// a\n1",
        "NaN", "nulll", "+1", "01", ".5", "1.", "1e999", "-0", "1.0", "9223372036854775808", "1" * 400,
        '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\u0000"', '"\n"', '"\\x"', "\ufeff1", "'a'",
    ]
    return {repr(t if len(t) < 30 else t[:27] + "..."): t.encode() for t in texts} | {
        "33 arrays, one in the other": b"[" * 33 + b"]" * 33, "34 of them": b"[" * 34 + b"]" * 34,
        "30,000 [": b"[" * 30_000, '30,000 {"a":': b'{"a":' * 30_000, "a byte FF in a string": b'"\xff"',
        "a NUL in a string": b'"\0"', "a NUL after the value": b"1\0", "half a pair in UTF-8": b'"\xed\xa0\x80"',
        "[1] in UTF-16": "[1]".encode("utf-16le"), "[] in UTF-16 with its mark": "[]".encode("utf-16"),
        "1 in UTF-32": "1".encode("utf-32be"),
    }


def fuzzed_documents(count):
    """Seeded nonsense of the kinds that the tests send to a daemon."""
    chance = random.Random(1)
    requests = [b'{"v":1,"verb":"status"}', b'{"v":1,"verb":"history","limit":3}', b'{"v":1,"verb":"scale","by":0}',
                b'{"v":1,"verb":"logs","slot":0,"follow":false}', b'{"v":1,"verb":"reload","arguments":["a","b\\n"]}']
    values = ["null", "true", "[]", "{}", '"x"', "1e999", "-0", "1.0", "99999999999999999999", '"\\ud800"']
    for _ in range(count):
        kind = chance.randrange(8)
        if kind == 0: yield chance.randbytes(chance.randrange(200))
        elif kind == 1:
            names = [chance.choice(["v", "verb", "slot", "follow", "limit", "by", "to", "x"]) for _ in range(4)]
            yield ("{" + ",".join(f'"{n}":{chance.choice(values)}' for n in names) + "}").encode()
        else:
            data = bytearray(chance.choice(requests))
            for _ in range(chance.randrange(1, 5)):
                place = chance.randrange(len(data))
                if kind < 4: data[place] = chance.randrange(256)
                elif kind < 6: data.insert(place, chance.choice(b'{}[],:"0e.\\ \0\xff'))
                elif len(data) > 1: del data[place]
            yield bytes(data)


def verdicts(program, documents):
    """For each document a pair: what ours and what the library makes of it."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(d.hex() + "\n" for d in documents))
        file.flush()
        lines = run(program, "read", file.name).splitlines()
    assert len(lines) == len(documents), "a coder ended the program"
    return [line.split("\t") for line in lines]


def kind(ours, library):
    if ours == library: return "both refuse" if ours == "-" else "both read the same"
    if ours == "-": return "only the library reads it"
    if library == "-": return "only ours reads it"
    # A whole number with a point is the same number.
    return "the same in another order or form" if json.loads(ours) == json.loads(library) else "another value"


ours, library, compare = pool.reloaderd, build_with_library(), build_comparison()
binaries, results = {"ours": ours, "library": library}, {}
for _ in range(ROUNDS):
    for count in (1, 1000):
        for name, binary in binaries.items():
            figures, answer = measure(binary, count)
            results.setdefault((count, name), []).append(figures)
print(f"The daemon with either coder, stripped: {ROUNDS} rounds in turns, medians; 21 times status in each")
table(["workers, coder", "bytes", "RssAnon idle KiB", "after status", "VmHWM KiB", "CPU ms a status"],
      [[f"{count:,}, {name}", f"{os.path.getsize(binaries[name]):,}",
        *(f"{statistics.median(column):.0f}" for column in list(zip(*rows))[:3]),
        f"{statistics.median([r[3] for r in rows]):.1f}"] for (count, name), rows in results.items()])

with tempfile.NamedTemporaryFile() as file:
    file.write(answer.strip())  # of 1,000 workers
    file.flush()
    rows = [line.split("\t") for line in run(compare, "time", file.name).splitlines()]
print("The coders alone, milliseconds of CPU")
table(["what", "bytes", "ours", "library"], rows)

named = named_documents()
pairs = verdicts(compare, list(named.values()))
print(f"Documents that the coders do not read alike, of {len(named)}")
table(["document", "ours", "library"], [[n, o[:36], l[:36]] for n, (o, l) in zip(named, pairs) if o != l])
fuzzed = list(fuzzed_documents(50_000))
counts = {}
for pair in verdicts(compare, fuzzed): counts[kind(*pair)] = counts.get(kind(*pair), 0) + 1
print(f"{len(fuzzed):,} fuzzed requests")
table(["verdict", "requests"], sorted([k, f"{n:,}"] for k, n in counts.items()))
