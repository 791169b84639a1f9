// Connections of real servers, recorded by record.py on Linux 6.18, x86_64, CONFIG_HZ=250, over loopback. "Linux 5.10"
// is the same with net.ipv4.tcp_pingpong_thresh=3, which older kernels had built in.
import Reloader
import Testing

struct RecordedConnection: Sendable, CustomTestStringConvertible {
    let name: String
    /// What a drain must find: unused, answered (whether the answer is complete can't be seen), streams, unanswered,
    /// undecided …
    let kind: String
    let facts: ConnectionFacts

    var testDescription: String { name }

    /// Each row has the situation, what it is, and the numbers: side; bytes received, unread, sent and unsent; segments
    /// that are not acknowledged; milliseconds since data was sent, was received and was acknowledged; milliseconds of
    /// a round trip and of the acknowledgement delay; segments received and sent, and how many of each carried data;
    /// TCP_QUICKACK.
    private static let table = """
        node: answered once | answered | open 27 0 126 0 0 608 612 608 0 40 4 2 1 1 0
        node: five answers, 100 ms of thought before each question | answered |\
            open 135 0 630 0 0 708 708 708 0 40 12 6 5 5 0
        node: five answers, each question at once | answered | open 135 0 630 0 0 600 600 556 5 40 9 6 5 5 0
        node: a connection that was never used | unused | open 0 0 0 0 0 604 604 604 0 0 2 0 0 0 1
        node: the first request is in work | unanswered | open 31 0 0 0 0 600 600 600 0 40 3 1 1 0 1
        node: a second request in the tick of the first answer, in work | undecided |\
            open 58 0 126 0 0 600 600 600 0 40 5 3 2 1 1
        node: a sixth request in the tick of the fifth answer, in work | undecided |\
            open 166 0 630 0 0 600 600 600 0 40 9 7 6 5 1
        node: a second request in the tick of the first answer, in two segments, in work | undecided |\
            open 82 0 126 0 0 604 604 604 0 40 6 3 3 1 0
        node: a sixth request in the tick of the fifth answer, in two segments, in work | undecided |\
            open 190 0 630 0 0 604 604 604 0 40 10 7 7 5 0
        node: four answers to requests in two segments each, in their ticks | undecided |\
            open 204 0 504 0 0 700 700 700 0 40 14 9 8 4 0
        node: an upload pauses | unanswered | open 3050 0 0 0 0 608 608 608 0 40 3 1 1 0 1
        node: an upload pauses after 100 Continue | unanswered | open 3072 0 25 0 0 704 604 604 0 40 5 3 2 1 1
        node: an answer pauses after its first bytes | answered | open 32 0 141 0 0 2504 2504 2504 0 40 4 2 1 1 0
        node: tokens, 150 ms from one to the next | streams | open 33 0 381 0 0 84 3104 40 17 40 23 21 1 20 1
        node: an answer that the client does not read | sending | open 32 0 128000 3791872 0 584 600 332 6 40 6 7 1 5 0
        node: stopped, with a request in its buffer | unread | open 54 27 126 0 0 616 604 604 0 40 5 3 2 1 1
        node: two requests sent ahead, the second in work: as if there were one | answered |\
            open 58 0 126 0 0 600 600 600 0 40 4 2 1 1 0
        Python, threads: answered once | answered | open 27 0 115 0 0 604 608 604 0 40 5 3 1 2 0
        Python, threads: five answers, 100 ms of thought before each question | answered |\
            open 135 0 575 0 0 704 704 704 0 40 17 11 5 10 0
        Python, threads: five answers, each question at once | answered | open 135 0 575 0 0 552 600 552 5 40 11 8 5 7 0
        Python, threads: a connection that was never used | unused | open 0 0 0 0 0 600 600 600 0 0 2 0 0 0 1
        Python, threads: the first request is in work | unanswered | open 31 0 0 0 0 604 604 604 0 40 3 1 1 0 1
        Python, threads: a half-closed client waits | endedByClient |\
            endedByClient 32 0 0 0 0 604 604 604 0 40 4 2 1 0 1
        uvicorn: answered once | answered | open 27 0 96 0 0 604 604 604 0 40 5 3 1 2 0
        uvicorn: five answers, 100 ms of thought before each question | answered |\
            open 135 0 480 0 0 700 700 700 0 40 17 11 5 10 0
        uvicorn: five answers, each question at once | answered | open 135 0 480 0 0 592 600 592 1 40 10 12 5 11 0
        uvicorn: a connection that was never used | unused | open 0 0 0 0 0 604 604 604 0 0 2 0 0 0 1
        uvicorn: the first request is in work | unanswered | open 31 0 0 0 0 600 600 600 0 40 3 1 1 0 1
        aiohttp: answered once | answered | open 27 0 155 0 0 604 608 604 0 40 5 3 1 2 0
        aiohttp: five answers, 100 ms of thought before each question | answered |\
            open 135 0 775 0 0 692 700 692 0 40 17 11 5 10 0
        aiohttp: five answers, each question at once | answered | open 135 0 775 0 0 592 600 592 1 40 9 12 5 11 0
        aiohttp: a connection that was never used | unused | open 0 0 0 0 0 600 600 600 0 0 2 0 0 0 1
        aiohttp: the first request is in work | unanswered | open 31 0 0 0 0 600 600 600 0 40 3 1 1 0 1
        Go: answered once | answered | open 27 0 120 0 0 600 600 600 0 40 4 2 1 1 0
        Go: five answers, 100 ms of thought before each question | answered |\
            open 135 0 600 0 0 700 700 700 0 40 12 6 5 5 0
        Go: five answers, each question at once | answered | open 135 0 600 0 0 604 604 556 5 40 9 6 5 5 0
        Go: a connection that was never used | unused | open 0 0 0 0 0 600 600 600 0 0 2 0 0 0 1
        Go: the first request is in work | unanswered | open 31 0 0 0 0 600 600 600 0 40 3 1 1 0 1
        Go: answered once, and probed after 15 s | answered | open 27 0 120 0 0 17000 17000 1768 0 40 5 3 1 1 0
        Go: a second request in the tick of the first answer, in work, and probed after 15 s | undecided |\
            open 58 0 120 0 0 17000 17000 1824 0 40 6 4 2 1 1
        nginx: answered once | answered | open 27 0 151 0 0 600 600 600 0 40 4 2 1 1 0
        nginx: five answers, 100 ms of thought before each question | answered |\
            open 135 0 755 0 0 700 700 700 0 40 12 6 5 5 0
        nginx: five answers, each question at once | answered | open 135 0 755 0 0 600 600 556 5 40 9 6 5 5 0
        nginx: a connection that was never used | unused | open 0 0 0 0 0 600 600 600 0 0 2 0 0 0 1
        HTTP/2, node: a session at rest, whose client has acknowledged the settings | undecided |\
            open 67 0 74 0 0 804 804 804 0 40 6 5 2 3 0
        HTTP/2, node: a stream in work | undecided | open 85 0 74 0 0 800 800 800 0 40 7 5 2 3 1
        HTTP/2, nginx: a session at rest | unanswered | open 67 0 119 0 0 808 800 800 0 40 6 4 2 2 1
        gRPC: a channel at rest | answered | open 354 0 227 0 0 904 904 860 5 40 7 5 2 4 0
        gRPC: a call in work | undecided | open 428 0 240 0 0 900 900 900 0 40 7 6 3 4 1
        WebSocket: open and silent | answered | open 140 0 203 0 0 608 608 608 0 40 4 2 1 1 0
        WebSocket: silent after the server's message | answered | open 151 0 210 0 0 600 600 600 0 40 6 3 2 2 0
        WebSocket: silent after the client's message | unanswered | open 164 0 210 0 0 1620 1520 1520 0 40 7 4 3 2 1
        SMTP: the server has greeted | answered | open 0 0 11 0 0 604 604 604 0 0 3 1 0 1 1
        SMTP: the client's greeting, in the tick of the server's, is in work | undecided |\
            open 6 0 11 0 0 644 644 644 0 40 4 2 1 1 1
        SMTP: greeted, and the answer to EHLO is there | answered | open 9 0 19 0 0 620 620 576 5 40 5 3 1 2 0
        SMTP: the client pauses in its message | unanswered | open 21 0 30 0 0 804 700 700 4 40 8 5 3 3 1
        Redis: PING answered | answered | open 6 0 7 0 0 600 600 600 0 40 4 2 1 1 0
        Redis: waits in BLPOP | unanswered | open 20 0 7 0 0 792 600 600 0 40 5 3 2 1 1
        Redis: subscribed | answered | open 22 0 40 0 0 600 600 600 0 40 6 3 2 2 0
        TLS, node: hands shaken, nothing asked | answered | open 597 0 1314 0 0 604 604 556 5 40 6 3 2 2 0
        TLS, node: answered once | answered | open 646 0 1463 0 0 600 604 556 5 40 7 4 3 2 0
        TLS, node: five answers in their ticks, 100 ms of thought before each question | answered |\
            open 842 0 2054 0 0 704 704 704 3 40 15 8 7 7 0
        TLS, node: the first request is in work | unanswered | open 650 0 1316 0 0 804 704 704 5 40 7 4 3 2 1
        node, Linux 5.10: answered once in its tick | undecided | open 27 0 126 0 0 616 616 616 0 40 4 2 1 1 1
        node, Linux 5.10: five answers in their ticks, 100 ms of thought before each question | undecided |\
            open 135 0 630 0 0 700 700 700 0 40 12 8 5 5 0
        node, Linux 5.10: five answers, each question at once | answered |\
            open 135 0 630 0 0 600 600 552 5 40 11 8 5 5 0
        node, Linux 5.10: a sixth request in the tick of the fifth answer, in two segments, in work | undecided |\
            open 190 0 630 0 0 600 600 600 0 40 12 9 7 5 0
        """

    static let all: [RecordedConnection] = table.split(separator: "\n").compactMap { row in
        let parts = row.split(separator: " | ")
        guard parts.count == 3, let facts = facts(parts[2].split(separator: " ")) else { return nil }
        return RecordedConnection(name: String(parts[0]), kind: String(parts[1]), facts: facts)
    }

    private static func facts(_ words: [Substring]) -> ConnectionFacts? {
        guard words.count == 16 else { return nil }
        let numbers = words.dropFirst().compactMap { UInt32($0) }
        guard numbers.count == 15 else { return nil }
        var facts = ConnectionFacts()
        switch words[0] {
        case "open": facts.side = .open
        case "endedByClient": facts.side = .endedByClient
        default: facts.side = .endedByWorker
        }
        facts.bytesReceived = UInt64(numbers[0])
        facts.bytesUnread = UInt64(numbers[1])
        facts.bytesSent = UInt64(numbers[2])
        facts.bytesUnsent = UInt64(numbers[3])
        facts.segmentsUnacknowledged = numbers[4]
        facts.sentAgo = numbers[5]
        facts.receivedAgo = numbers[6]
        facts.acknowledgedAgo = numbers[7]
        facts.roundTrip = numbers[8]
        facts.acknowledgementDelay = numbers[9]
        facts.segmentsReceived = numbers[10]
        facts.segmentsSent = numbers[11]
        facts.dataSegmentsReceived = numbers[12]
        facts.dataSegmentsSent = numbers[13]
        facts.acknowledgesByItself = numbers[14] != 0
        return facts
    }

    /// A row that can't be read would mean one test less.
    static var rowsOfTable: Int { table.split(separator: "\n").count }
}
