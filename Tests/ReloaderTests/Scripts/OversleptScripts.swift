import Testing

/// After a time in which nothing ran, a worker that would fail or be killed gets all of its time again.
@Suite struct OversleptScripts {
    @Test func aWorkerThatStarts() {
        Script.play(
            """
            policy ready-timeout 60s
            start -> spawn 0/1
            wait 59s
            overslept
            timer 60s
            wait 59s
            ready 0/1 | ready 0/1 118s
            timer none
            """)
    }

    @Test func aWorkerThatIsWatched() {
        Script.play(
            """
            policy watchdog 10s
            start -> spawn 0/1
            ready 0/1
            wait 9s
            overslept
            timer 10s
            wait 9s
            ping 0/1
            timer 10s
            """)
    }

    @Test func aWorkerThatDrains() {
        Script.play(
            """
            policy drain-outside 20s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> empty 0/1
            wait 19s
            overslept
            timer 20s
            wait 20s -> term 0/1
            wait 29s
            overslept
            timer 30s
            exit-leaving 0/1 -> term-left 0/1 | left-ending 0/1 30s
            wait 29s
            overslept
            wait 29s
            timer 1s
            wait 1s -> kill-left 0/1
            overslept
            timer none
            """)
    }

    @Test func aRollThatMustBeDoneInTime() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 by timeout 40s -> spawn 0/2
            wait 39s
            overslept
            timer 40s
            wait 39s
            ready 0/2 -> term 0/1 release 1 | roll-done 2 78s
            """)
    }

    /// A wait that had more time than that keeps it, and nothing else is put off.
    @Test func allElseStands() {
        Script.play(
            """
            policy ready-timeout 60s backoff 10s backoff-cap 10s stop-timeout 5s
            start -> spawn 0/1
            extend 0/1 100s
            overslept
            timer 100s
            crash 0/1
            overslept
            wait 10s -> spawn 0/1#2
            """)
    }
}
