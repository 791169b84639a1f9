import Testing

/// The roll: what a failed one leaves behind.
@Suite struct RevertScripts {
    /// Four workers of generation 1 were ready; generation 2 has replaced the first two, and the third replacement is
    /// in flight.
    private static let halfway = """
        policy workers 4 surge 1
        start -> spawn 0/1 spawn 1/1 spawn 2/1 spawn 3/1
        ready 0/1
        ready 1/1
        ready 2/1
        ready 3/1
        reload 2 -> spawn 0/2
        ready 0/2 -> term 0/1 spawn 1/2
        ready 1/2 -> term 1/1 spawn 2/2
        serves 2 2 1 1

        """

    @Test func replacedSlotsGoBackStartFirst() {
        Script.play(
            Self.halfway + """
                exit 2/2 1 -> spawn 0/1#2 | roll-failed 2 to 1 slot 2 exited-before-ready revert 2
                wait 1s
                ready 0/1#2 -> term 0/2 spawn 1/1#2 | replaced 0/1 3 of 4
                wait 1s
                ready 1/1#2 -> term 1/2 release 2 | replaced 1/1 4 of 4, reverted 2 to 1 2s
                serves 1 1 1 1
                """)
    }

    @Test func aRollThatFailsAtOnceHasNothingToRevert() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/1
            exit 1/2 -> term 0/2 release 2 | roll-failed 2 to 1 slot 1 exited-before-ready revert 0, reverted 2 to 1 0s
            exit 0/2
            timer none
            """)
    }

    @Test func everyWayForAReplacementToFail() {
        let before = """
            policy soak 5s ready-timeout 60s
            hold
            start -> spawn 0/1
            spawned 0/1
            ready 0/1
            reload 2 -> spawn 0/2

            """
        Script.play(before + "failed 0/2 missing -> release 2 | roll-failed 2 to 1 slot 0 spawn-missing revert 0")
        Script.play(before + "failed 0/2 refused -> release 2 | roll-failed 2 to 1 slot 0 spawn-refused revert 0")
        Script.play(before + "failed 0/2 exhausted -> release 2 | roll-failed 2 to 1 slot 0 spawn-exhausted revert 0")
        Script.play(before + "exit 0/2 0 -> release 2 | roll-failed 2 to 1 slot 0 exited-before-ready revert 0")
        Script.play(
            before + """
                spawned 0/2
                wait 60s -> term 0/2 release 2 | roll-failed 2 to 1 slot 0 timed-out 60s revert 0
                wait 30s -> kill 0/2
                """)
        Script.play(
            before + """
                ready 0/2
                wait 4s
                exit 0/2 -> release 2 | failed 0/2 exited-in-soak, roll-failed 2 to 1 slot 0 exited-in-soak revert 0
                """)
    }

    @Test func saysStoppingInItsSoakAndThenExits() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            stopping 0/2
            ready 0/2
            stopping 0/2
            exit 0/2 -> release 2 | roll-failed 2 to 1 slot 0 exited-in-soak revert 0
            """)
    }

    @Test func theSlotOfTheFailedWorkerRestartsItsGenerationAtOnceIfItIsEmpty() {
        Script.play(
            """
            start -> spawn 0/1
            exit 0/1 1
            reload 2 -> spawn 0/2
            exit 0/2 1 -> spawn 0/1#2 release 2 | roll-failed 2 to 1 slot 0 exited-before-ready revert 0
            exit 0/1#2 1 | backoff 0 failures 1
            """)
    }

    @Test func theOldWorkerDiesInFlightAndThenItsReplacementToo() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            ready 0/1
            wait 20s
            reload 2 -> spawn 0/2
            ready 0/2
            crash 0/1
            crash 0/2 -> spawn 0/1#2 release 2 | roll-failed 2 to 1 slot 0 exited-in-soak revert 0
            """)
    }

    @Test func anAbandonedReplacementThatServesAloneStaysUntilTheBaseServes() {
        Script.play(
            """
            policy workers 2 surge 1 soak 5s
            start -> spawn 0/1 spawn 1/1
            crash 0/1
            crash 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2
            crash 1/2 -> spawn 1/1#2 spawn 0/1#2 | replaced 0/2 1 of 2, roll-failed 2 to 1 slot 1 exited-before-ready \
            revert 1
            ready 0/1#2
            wait 5s -> term 0/2 release 2 | reverted 2 to 1 5s
            """)
    }

    @Test func aFailureDuringTheRevertIsTriedAgainAfterBackoff() {
        Script.play(
            Self.halfway + """
                crash 2/2 -> spawn 0/1#2
                crash 0/1#2 -> spawn 1/1#2 | failed 0/1#2 exited-before-ready, backoff 0 failures 1
                serves 2 2 1 1
                ready 1/1#2 -> term 1/2
                wait 49ms
                exit 0/1 ; a slot is looked at again when a lingerer ends, and still waits
                wait 51ms -> spawn 0/1#3
                crash 0/1#3 | backoff 0 failures 2
                wait 99ms
                wait 101ms -> spawn 0/1#4
                ready 0/1#4 -> term 0/2 release 2 | reverted 2 to 1 300ms
                serves 1 1 1 1
                """)
    }

    @Test func theFailedGenerationIsNotStartedAgainDuringTheRevert() {
        Script.play(
            Self.halfway + """
                crash 2/2 -> spawn 0/1#2
                crash 1/2 -> spawn 1/1#2 | failed 1/2 crashed
                ready 1/1#2 | replaced 1/1 3 of 4
                crash 0/2
                ready 0/1#2 -> release 2 | reverted 2 to 1 0s
                """)
    }

    @Test func aReplacedSlotWhoseWorkerFailsToStartAgainGoesBackAtOnce() {
        let restarting =
            Self.halfway + """
                hold
                crash 1/2 -> spawn 1/2#2
                crash 2/2 -> spawn 0/1#2

                """
        Script.play(
            restarting + """
                failed 1/2#2 exhausted -> spawn 1/1#2 | failed 1/2#2 spawn-exhausted
                """)
        Script.play(
            restarting + """
                spawned 1/2#2
                spawned 0/1#2
                exit 0/1
                exit 1/1
                extend 0/1#2 100s
                wait 60s -> term 1/2#2 spawn 1/1#2 | failed 1/2#2 timed-out 60s
                """)
    }

    @Test func aReplacedSlotInBackoffGoesBackAtOnce() {
        Script.play(
            Self.halfway + """
                crash 0/2 -> spawn 0/2#2
                crash 0/2#2 | backoff 0 failures 2
                crash 2/2 -> spawn 0/1#2
                ready 0/1#2 -> spawn 1/1#2
                """)
    }

    @Test func aReloadDuringTheRevertKeepsTheBase() {
        Script.play(
            Self.halfway + """
                crash 2/2 -> spawn 0/1#2
                reload 3 -> term 0/1#2 spawn 0/3 | draining 0/1#2 abandoned, roll 3 from 1
                ready 0/3 -> term 0/2 spawn 1/3
                exit 0/1
                crash 1/3 -> spawn 0/1#3 | roll-failed 3 to 1 slot 1 exited-before-ready revert 2
                ready 0/1#3 -> term 0/3 spawn 1/1#2 release 3
                ready 1/1#2 -> term 1/2 release 2 | reverted 3 to 1 0s
                """)
    }

    @Test func aChainOfSupersededRollsRevertsToItsFirstBase() {
        Script.play(
            Self.halfway + """
                reload 3 -> term 2/2 spawn 0/3 | superseded 2 by 3
                ready 0/3 -> term 0/2 spawn 1/3
                serves 3 2 1 1
                crash 1/3 -> spawn 0/1#2 | roll-failed 3 to 1 slot 1 exited-before-ready revert 2
                ready 0/1#2 -> term 0/3 spawn 1/1#2 release 3
                ready 1/1#2 -> term 1/2 release 2 | reverted 3 to 1 0s
                """)
    }

    @Test func aStopWhileReverting() {
        Script.play(
            Self.halfway + """
                crash 2/2 -> spawn 0/1#2
                stop -> term 0/1#2 term 0/2 term 1/2 term 2/1 term 3/1
                wait 30s -> kill 0/1 kill 0/1#2 kill 0/2 kill 1/1 kill 1/2 kill 2/1 kill 3/1
                """)
    }

    @Test func theNextRollAfterARevertStartsFromTheSameBase() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            exit 0/2 -> release 2
            reload 3 -> spawn 0/3 | roll 3 from 1
            ready 0/3 -> term 0/1 release 1 | roll-done 3 0s
            """)
    }

    @Test func severalAnswersAfterTheOneThatFailedTheRoll() {
        Script.play(
            """
            policy workers 3 surge 3
            hold
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 -> spawn 0/2 spawn 1/2 spawn 2/2
            failed 0/2 exhausted -> release 2 | roll-failed 2 to 1 slot 0 spawn-exhausted revert 0
            failed 1/2 exhausted
            spawned 2/2 -> term 2/2 | draining 2/2 abandoned
            exit 2/2
            timer none
            """)
    }
}
