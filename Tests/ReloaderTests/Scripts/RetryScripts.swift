import Testing

/// What a roll's plan says about failures and time.
@Suite struct RetryScripts {
    private static let start = """
        policy workers 2 surge 1
        start -> spawn 0/1 spawn 1/1
        ready 0/1
        ready 1/1

        """

    @Test func aReplacementThatMayFailIsTriedAgainAfterItsBackoff() {
        Script.play(
            Self.start + """
                reload 2 by failures 1 -> spawn 0/2
                crash 0/2 -> spawn 1/2 | failed 0/2 exited-before-ready, backoff 0 failures 1
                ready 1/2 -> term 1/1
                exit 1/1 ; the slot is looked at again, and still waits
                wait 49ms
                wait 51ms -> spawn 0/2#2
                ready 0/2#2 -> term 0/1 release 1 | roll-done 2 100ms
                """)
    }

    @Test func oneFailureTooManyRevertsAll() {
        Script.play(
            Self.start + """
                reload 2 by failures 2 -> spawn 0/2
                crash 0/2 -> spawn 1/2
                ready 1/2 -> term 1/1
                wait 100ms -> spawn 0/2#2
                crash 0/2#2 | backoff 0 failures 2
                wait 200ms -> spawn 0/2#3
                crash 0/2#3 -> spawn 1/1#2 | roll-failed 2 to 1 slot 0 exited-before-ready revert 1
                ready 1/1#2 -> term 1/2 release 2 | reverted 2 to 1 0s
                bad 2
                """)
    }

    @Test func theFailuresOfAllSlotsCountTogether() {
        Script.play(
            Self.start + """
                reload 2 by failures 1 -> spawn 0/2
                crash 0/2 -> spawn 1/2
                crash 1/2 -> release 2 | roll-failed 2 to 1 slot 1 exited-before-ready revert 0, reverted 2 to 1 0s
                timer none
                """)
    }

    @Test func anEmptySlotIsGivenItsOwnWorkerMeanwhile() {
        Script.play(
            """
            start -> spawn 0/1
            crash 0/1
            reload 2 by failures 1 -> spawn 0/2
            crash 0/2 -> spawn 0/1#2 | backoff 0 failures 1
            ready 0/1#2
            wait 100ms -> spawn 0/2#2
            ready 0/2#2 -> term 0/1#2 release 1
            """)
    }

    @Test func theOldWorkersBackoffDoesNotBringTheRetryForward() {
        Script.play(
            """
            policy backoff 100ms
            start -> spawn 0/1
            ready 0/1
            reload 2 by failures 1 -> spawn 0/2
            crash 0/2 | backoff 0 failures 1
            crash 0/1 | backoff 0 failures 2
            wait 49ms
            wait 51ms -> spawn 0/2#2
            ready 0/2#2 -> release 1
            timer none
            """)
    }

    @Test func aHealthyOldWorkerThatCrashesMeanwhileIsBackAtOnce() {
        Script.play(
            """
            policy backoff 1s backoff-cap 1s
            start -> spawn 0/1
            ready 0/1
            wait 10s
            reload 2 by failures 1 -> spawn 0/2
            crash 0/2
            crash 0/1 -> spawn 0/1#2
            wait 1s -> spawn 0/2#2
            """)
    }

    @Test func whatMayFailDoesNotCountForGivingUp() {
        Script.play(
            """
            policy give-up 1 60s
            start -> spawn 0/1
            ready 0/1
            reload 2 by failures 9 -> spawn 0/2
            crash 0/2 | backoff 0 failures 1
            wait 100ms -> spawn 0/2#2
            """)
    }

    @Test func aReloadForgetsTheBackoff() {
        Script.play(
            """
            policy backoff 10s backoff-cap 10s
            start -> spawn 0/1
            ready 0/1
            reload 2 by failures 9 -> spawn 0/2
            crash 0/2
            reload 3 -> spawn 0/3 release 2 | superseded 2 by 3
            timer 60s
            """)
    }

    @Test func aRollThatIsNotDoneInTimeIsReverted() {
        Script.play(
            Self.start + """
                reload 2 by timeout 20s -> spawn 0/2
                timer 20s
                wait 15s
                ready 0/2 -> term 0/1 spawn 1/2
                exit 0/1
                wait 5s -> term 1/2 spawn 0/1#2 | roll-timed-out 2 to 1 20s revert 1, draining 1/2 abandoned
                bad 2
                exit 1/2
                timer 60s
                wait 30s ; a revert has all the time
                ready 0/1#2 -> term 0/2 release 2 | reverted 2 to 1 30s
                """)
    }

    @Test func aRollThatIsDoneAtTheLastInstantIsDone() {
        Script.play(
            """
            policy soak 20s
            start -> spawn 0/1
            ready 0/1
            reload 2 by timeout 20s -> spawn 0/2
            ready 0/2
            wait 20s -> term 0/1 release 1 | roll-done 2 20s
            """)
    }

    @Test func aCanaryThatWaitsTooLong() {
        Script.play(
            Self.start + """
                reload 2 by canary 1 timeout 60s -> spawn 0/2
                ready 0/2 -> term 0/1
                exit 0/1
                wait 59s
                wait 1s -> spawn 0/1#2 | roll-timed-out 2 to 1 60s revert 1
                promote | refused no-canary-waits
                ready 0/1#2 -> term 0/2 release 2 | reverted 2 to 1 0s
                """)
    }

    @Test func surgeAndSoakHoldForThisRollAndItsRevert() {
        Script.play(
            """
            policy workers 3 surge 1 soak 1s
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 by surge 2 soak 5s -> spawn 0/2 spawn 1/2
            ready 0/2
            ready 1/2
            wait 4s
            wait 1s -> term 0/1 term 1/1 spawn 2/2
            crash 2/2 -> spawn 0/1#2 spawn 1/1#2
            ready 0/1#2
            wait 5s -> term 0/2
            ready 1/1#2
            wait 5s -> term 1/2 release 2
            reload 3 -> spawn 0/3
            ready 0/3
            wait 1s -> term 0/1#2 spawn 1/3
            """)
    }
}
