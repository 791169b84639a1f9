import Testing

/// A daemon takes over from one that died, in the middle of everything. What happened meanwhile is told before
/// `taken-over`, which asks again for what has no answer or end yet.
@Suite struct TakeoverScripts {
    @Test func startsWithoutAnAnswer() {
        Script.play(
            """
            policy workers 3 ready-timeout 60s
            hold
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            wait 59s
            spawned 0/1
            exit 1/1 1 | failed 1/1 exited-before-ready
            taken-over -> spawn 2/1
            spawned 2/1
            wait 100ms -> spawn 1/1#2
            wait 59s
            ready 0/1
            ready 2/1
            """)
    }

    @Test func aRoll() {
        Script.play(
            """
            policy workers 2 surge 1 ready-timeout 60s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            hold
            reload 2 by timeout 100s -> spawn 0/2
            wait 59s
            taken-over -> spawn 0/2
            timer 60s
            spawned 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            taken-over -> term 0/1 spawn 1/2
            wait 29s
            spawned 1/2
            ready 1/2 -> term 1/1 release 1 | roll-done 2 88s
            """)
    }

    /// The new worker died while nobody listened: it is not believed to have soaked.
    @Test func aSoak() {
        Script.play(
            """
            policy soak 10s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            wait 9s
            taken-over
            timer 1s
            wait 1s -> term 0/1 release 1 | roll-done 2 10s
            exit 0/1
            reload 3 -> spawn 0/3
            ready 0/3
            wait 9s
            crash 0/3 -> release 3 | failed 0/3 exited-in-soak, roll-failed 3 to 2 slot 0 exited-in-soak revert 0
            taken-over
            serving 0/2
            """)
    }

    @Test func aCanaryAndAPause() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by canary 1 for 30s -> spawn 0/2
            ready 0/2 -> term 0/1 | canary-waits 2 1 of 2 30s
            exit 0/1
            wait 20s
            taken-over
            timer 10s
            pause
            taken-over
            timer none
            wait 20s
            resume -> spawn 1/2 | promoted 2 40s
            ready 1/2 -> term 1/1 release 1
            """)
    }

    @Test func aBackoff() {
        Script.play(
            """
            policy backoff 10s backoff-cap 40s
            start -> spawn 0/1
            crash 0/1 | backoff 0 failures 1
            wait 4s
            taken-over
            wait 6s -> spawn 0/1#2
            crash 0/1#2 | backoff 0 failures 2
            """)
    }

    @Test func anEmptyingAndADrain() {
        Script.play(
            """
            policy drain-outside 20s stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> empty 0/1 release 1
            wait 19s
            taken-over -> empty 0/1
            timer 20s
            emptied 0/1 -> term 0/1
            wait 29s
            taken-over -> term 0/1
            timer 30s
            wait 30s -> kill 0/1
            taken-over -> kill 0/1
            exit 0/1
            """)
    }

    /// It never had a stop signal, and needs none.
    @Test func aWorkerThatEndsByItself() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            wait 10s
            stopping 0/1 -> spawn 0/1#2
            taken-over
            exit 0/1 | exited 0/1 expected
            """)
    }

    @Test func leftovers() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            wait 10s
            crash-leaving 0/1 -> term-left 0/1 spawn 0/1#2
            ready 0/1#2
            wait 29s
            taken-over -> term-left 0/1
            timer 30s
            wait 30s -> kill-left 0/1
            taken-over -> kill-left 0/1
            nothing-left 0/1
            taken-over
            """)
    }

    @Test func portsThatAreCounted() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens-partly 0/1
            wait 1s -> count-ports 0/1
            taken-over -> count-ports 0/1
            still-listens 0/1 | ready 0/1 1s
            taken-over
            """)
    }

    @Test func aRecycle() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            hold
            restart 0 -> spawn 0/1#2
            taken-over -> spawn 0/1#2
            failed 0/1#2 exhausted | recycle-failed 0/1#2 asked spawn-exhausted
            restart 0 -> spawn 0/1#3
            spawned 0/1#3
            ready 0/1#3 -> term 0/1 | recycled 0/1 asked 0s
            """)
    }

    @Test func aWatchdog() {
        Script.play(
            """
            policy watchdog 10s
            start -> spawn 0/1
            ready 0/1
            wait 9s
            taken-over
            timer 10s
            wait 10s -> spawn 0/1#2 | recycle 0/1 watchdog
            taken-over
            ready 0/1#2 -> kill 0/1
            """)
    }

    /// A worker that was let go before its program ran is not started for that, and blocks nothing.
    @Test func aWorkerThatNobodyNeedsAnyMore() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            hold
            reload 2 -> spawn 0/2
            reload 3 -> spawn 0/3 release 2
            alive 3
            taken-over -> spawn 0/3
            alive 2
            spawned 0/3
            ready 0/3 -> term 0/1 release 1
            """)
    }

    @Test func aStop() {
        Script.play(
            """
            policy workers 2
            hold
            start -> spawn 0/1 spawn 1/1
            spawned 0/1
            stop -> term 0/1
            taken-over -> term 0/1
            alive 1
            exit 0/1 -> finish 0
            """)
    }

    @Test func aStopBeforeAnythingRan() {
        Script.play(
            """
            hold
            start -> spawn 0/1
            stop
            taken-over -> finish 0
            taken-over
            """)
    }

    /// A slot that was crowded by workers that were never started is not crowded any more.
    @Test func aSlotThatWasCrowded() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            hold
            reload 2 -> spawn 0/2
            reload 3 -> spawn 0/3 release 2
            reload 4 -> spawn 0/4 release 3
            reload 5 -> release 4
            taken-over -> spawn 0/5
            """)
    }
}
