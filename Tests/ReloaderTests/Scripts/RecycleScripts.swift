import Testing

/// Workers that are replaced by others of their generation, outside of rolls.
@Suite struct RecycleScripts {
    private static let pair = """
        policy workers 2 surge 2
        start -> spawn 0/1 spawn 1/1
        ready 0/1
        ready 1/1

        """

    @Test func aRestartIsStartFirst() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2 | recycle 0/1 asked
            ready 0/1#2
            serving 0/1 0/1#2
            wait 5s -> term 0/1 | draining 0/1 replaced, recycled 0/1 asked 5s
            exit 0/1
            timer none
            """)
    }

    @Test func aRestartThatFailsLeavesTheOldWorkerAndIsNotTriedAgain() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            crash 0/1#2 | failed 0/1#2 exited-before-ready, recycle-failed 0/1#2 asked exited-before-ready
            serving 0/1
            timer none
            bad
            restart 0 -> spawn 0/1#3
            wait 60s -> term 0/1#3 | recycle-failed 0/1#3 asked timed-out 60s
            """)
    }

    @Test func aSlotInBackoffStartsAtOnce() {
        Script.play(
            """
            policy backoff 10s backoff-cap 10s
            start -> spawn 0/1
            crash 0/1
            restart 0 -> spawn 0/1#2 | recycle 0/1 asked
            ready 0/1#2 | recycled 0/1 asked 0s
            timer none
            """)
        Script.play(
            """
            start -> spawn 0/1
            crash 0/1
            restart 0 -> spawn 0/1#2
            crash 0/1#2 | recycle-failed 0/1#2 asked exited-before-ready, backoff 0 failures 2
            wait 200ms -> spawn 0/1#3
            """)
    }

    @Test func whatCannotBeRestarted() {
        Script.play(
            """
            restart 0
            start -> spawn 0/1
            ready 0/1
            restart 1 | refused no-slot 1
            restart -1 | refused no-slot -1
            reload 2 -> spawn 0/2
            restart 0 | refused roll-under-way 0
            crash 0/2 -> release 2
            stop -> term 0/1
            restart 0
            """)
    }

    @Test func oneAtATimeAndPeopleFirst() {
        Script.play(
            """
            policy workers 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            over-memory 2/1 -> spawn 2/1#2 | recycle 2/1 memory
            over-memory 0/1
            restart 1
            restart 1
            restart 2 ; is being replaced already
            ready 2/1#2 -> term 2/1 spawn 1/1#2 | recycled 2/1 memory 0s, recycle 1/1 asked
            ready 1/1#2 -> term 1/1 spawn 0/1#2 | recycle 0/1 memory
            ready 0/1#2 -> term 0/1 | recycled 0/1 memory 0s
            """)
    }

    @Test func aWorkerIsRecycledWhenItIsOldGiveOrTakeATenth() {
        Script.play(
            """
            policy max-age 100s
            start -> spawn 0/1
            wait 50s
            ready 0/1
            wait 89s
            wait 21s -> spawn 0/1#2 | recycle 0/1 age
            ready 0/1#2 -> term 0/1
            """)
    }

    @Test func thatWhichHasServedLongestIsFirst() {
        Script.play(
            """
            policy workers 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 2/1
            wait 1s
            ready 1/1
            ready 0/1
            over-memory 0/1 -> spawn 0/1#2
            over-memory 1/1
            over-memory 2/1
            ready 0/1#2 -> term 0/1 spawn 2/1#2
            ready 2/1#2 -> term 2/1 spawn 1/1#2
            """)
    }

    @Test func aFailureBacksOffAndIsTriedAgain() {
        Script.play(
            Self.pair + """
                over-memory 0/1 -> spawn 0/1#2
                over-memory 1/1
                crash 0/1#2 -> spawn 1/1#2 | recycle-failed 0/1#2 memory exited-before-ready, backoff 0 failures 1
                serving 0/1 1/1
                wait 100ms
                ready 1/1#2 -> term 1/1 spawn 0/1#3
                crash 0/1#3 | backoff 0 failures 2
                wait 200ms -> spawn 0/1#4
                """)
    }

    @Test func onlyAWorkerThatServesCanTakeTooMuch() {
        Script.play(
            """
            start -> spawn 0/1
            over-memory 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            over-memory 0/1#2
            ready 0/1#2 -> term 0/1
            over-memory 0/1#2 -> spawn 0/1#3
            over-memory 0/1
            crash 0/1#2
            ready 0/1#3
            """)
    }

    /// The next worker uses as much memory from its start: it stays for a while, longer each time, and everything else
    /// goes on.
    @Test func aLimitThatIsTooLowBacksOff() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            wait 10s
            over-memory 0/1 -> spawn 0/1#2
            ready 0/1#2 -> term 0/1
            exit 0/1
            wait 10s
            over-memory 0/1#2 | memory-limit-too-low 0/1#2 after 10s times 1
            over-memory 0/1#2
            serving 0/1#2
            wait 29s
            wait 31s -> spawn 0/1#3 | recycle 0/1 memory
            ready 0/1#3 -> term 0/1#2
            exit 0/1#2
            over-memory 0/1#3 | memory-limit-too-low 0/1#3 after 0s times 2
            wait 59s
            restart 0 -> spawn 0/1#4
            ready 0/1#4 -> term 0/1#3
            exit 0/1#3
            over-memory 0/1#4 | memory-limit-too-low 0/1#4 after 0s times 2
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1#4 release 1
            over-memory 0/2 -> spawn 0/2#2
            """)
    }

    /// A leak is not a limit that is too low.
    @Test func oneThatGrowsSlowlyIsReplacedAtOnce() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            over-memory 0/1 -> spawn 0/1#2
            ready 0/1#2 -> term 0/1
            exit 0/1
            wait 60s
            over-memory 0/1#2 -> spawn 0/1#3
            """)
    }

    @Test func theOldWorkerDiesMeanwhile() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            crash 0/1
            ready 0/1#2 | recycled 0/1 asked 0s
            """)
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            over-memory 0/1 -> spawn 0/1#2
            crash 0/1
            crash 0/1#2 | recycle-failed 0/1#2 memory exited-before-ready, backoff 0 failures 2
            wait 200ms -> spawn 0/1#3
            ready 0/1#3
            """)
    }

    @Test func aRollAbandonsThem() {
        Script.play(
            Self.pair + """
                restart 0 -> spawn 0/1#2
                restart 1
                reload 2 -> term 0/1#2 spawn 0/2 spawn 1/2 | recycle-abandoned 0 asked, recycle-abandoned 1 asked, \
                draining 0/1#2 abandoned, roll 2 from 1
                ready 0/2 -> term 0/1
                ready 1/2 -> term 1/1 release 1 | roll-done 2 0s
                """)
    }

    @Test func aNewWorkerThatServesAloneTakesItsSlotWhenARollBegins() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            ready 0/1#2
            crash 0/1
            reload 2 -> spawn 0/2 | recycled 0/1 asked 0s, roll 2 from 1
            serving 0/1#2
            """)
    }

    @Test func whatIsDueInARollWaitsForItsEnd() {
        Script.play(
            Self.pair + """
                reload 2 by canary 1 -> spawn 0/2
                over-memory 1/1
                ready 0/2 -> term 0/1
                wait 1s
                crash 0/2 -> spawn 0/1#2
                ready 0/1#2 -> spawn 1/1#2 release 2 | reverted 2 to 1 0s, recycle 1/1 memory
                """)
    }

    @Test func aPauseDoesNotHoldThemBack() {
        Script.play(
            Self.pair + """
                pause
                restart 1 -> spawn 1/1#2
                """)
    }

    @Test func theSlotIsScaledAway() {
        Script.play(
            Self.pair + """
                restart 1 -> spawn 1/1#2
                scale 1 -> term 1/1#2 term 1/1 | recycle-abandoned 1 asked, draining 1/1#2 retired
                """)
        Script.play(
            Self.pair + """
                restart 0 -> spawn 0/1#2
                restart 1
                scale 1 -> term 1/1 | recycle-abandoned 1 asked
                ready 0/1#2 -> term 0/1
                """)
    }

    @Test func theEndOfThePool() {
        Script.play(
            Self.pair + """
                restart 0 -> spawn 0/1#2
                restart 1
                stop -> term 0/1#2 term 0/1 term 1/1 | recycle-abandoned 0 asked, recycle-abandoned 1 asked
                """)
        Script.play(
            Self.pair + """
                over-memory 0/1 -> spawn 0/1#2
                drain-all -> term 0/1#2 term 0/1 term 1/1 | recycle-abandoned 0 memory
                reload 2 -> spawn 0/2 spawn 1/2
                """)
    }

    @Test func aCrowdedSlotWaits() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            ready 0/1#2 -> term 0/1
            restart 0 -> spawn 0/1#3
            ready 0/1#3 -> term 0/1#2
            restart 0 -> spawn 0/1#4
            ready 0/1#4 -> term 0/1#3
            restart 0
            exit 0/1 -> spawn 0/1#5 | recycle 0/1 asked
            """)
    }

    @Test func aHungReplacementIsKilledAndFails() {
        Script.play(
            """
            policy watchdog 2s soak 5s
            start -> spawn 0/1
            ready 0/1
            restart 0 -> spawn 0/1#2
            ready 0/1#2
            wait 1s
            ping 0/1
            wait 1s -> kill 0/1#2
            crash 0/1#2 | recycle-failed 0/1#2 asked exited-in-soak
            serving 0/1
            """)
    }
}
