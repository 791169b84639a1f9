import Testing

/// Readiness and spawning: how a pool comes up, and what makes a worker ready.
@Suite struct StartScripts {
    @Test func allSlotsStartAtOnceAndThePoolIsReadyWhenTheLastOneIs() {
        Script.play(
            """
            policy workers 3
            timer none
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            timer 60s
            ready 1/1 | ready 1/1 0s
            wait 2s
            ready 0/1 | ready 0/1 2s
            ready 2/1 | ready 2/1 2s, pool-ready 3
            timer none
            serves 1 1 1
            """)
    }

    @Test func aReplacementThatSoaksDoesNotYetMakeThePoolReady() {
        Script.play(
            """
            policy soak 5s
            start -> spawn 0/1
            crash 0/1
            reload 2 -> spawn 0/2
            ready 0/2
            wait 5s -> release 1 | replaced 0/2 1 of 1, pool-ready 1
            """)
    }

    @Test func aSecondStartIsIgnored() {
        Script.play(
            """
            start -> spawn 0/1
            start
            alive 1
            """)
    }

    @Test func aReadyMessageCountsOnce() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1 | ready 0/1 0s
            wait 20s
            ready 0/1
            crash 0/1 -> spawn 0/1#2
            """)
    }

    @Test func aSilentWorkerIsTerminatedThenKilled() {
        Script.play(
            """
            policy ready-timeout 60s stop-timeout 30s
            start -> spawn 0/1
            wait 59s
            wait 1s -> term 0/1 | draining 0/1 startTimedOut, failed 0/1 timed-out 60s, backoff 0 failures 1
            wait 100ms -> spawn 0/1#2
            ready 0/1
            wait 30s -> kill 0/1 | killed 0/1 stopTimedOut
            exit 0/1 | exited 0/1 expected
            ready 0/1#2 | pool-ready 1
            timer none
            """)
    }

    @Test func aWorkerMayBeReadyByItsAge() {
        Script.play(
            """
            policy ready-after 2s
            start -> spawn 0/1
            timer 2s
            wait 2s | ready 0/1 2s, pool-ready 1
            timer none
            """)
    }

    @Test func aReadyMessageWinsOverAge() {
        Script.play(
            """
            policy ready-after 2s
            start -> spawn 0/1
            wait 1s
            ready 0/1 | ready 0/1 1s
            timer none
            """)
    }

    @Test func anAgeBeyondTheReadyTimeoutIsNoTimeout() {
        Script.play(
            """
            policy ready-after 90s ready-timeout 60s
            start -> spawn 0/1
            wait 90s | ready 0/1 90s
            """)
    }

    @Test func aWorkerAgesFromTheAnswerToItsSpawnOn() {
        Script.play(
            """
            policy ready-after 2s ready-timeout 3s
            hold
            start -> spawn 0/1
            wait 2s
            spawned 0/1
            timer 2s
            wait 2s | ready 0/1 4s
            """)
    }

    @Test func aWorkerThatDiesBeforeItsAgeHasFailed() {
        Script.play(
            """
            policy ready-after 2s
            start -> spawn 0/1
            wait 1s
            exit 0/1 0 | exited 0/1 unexpected, failed 0/1 exited-before-ready, backoff 0 failures 1
            """)
    }

    @Test func aMissingProgramAtTheVeryStartEndsTheDaemonAsAShellWould() {
        Script.play(
            """
            hold
            start -> spawn 0/1
            failed 0/1 missing -> finish 127 | failed 0/1 spawn-missing
            timer none
            reload 2
            """)
        Script.play(
            """
            hold
            start -> spawn 0/1
            failed 0/1 refused -> finish 126
            """)
    }

    @Test func theDaemonEndsOnlyWhenEverySpawnIsAnswered() {
        Script.play(
            """
            policy workers 3
            hold
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            failed 1/1 missing
            spawned 0/1 -> term 0/1 | draining 0/1 stopped
            failed 2/1 missing
            exit 0/1 -> finish 127
            """)
    }

    @Test func aProgramThatGoesMissingLaterIsAFailureLikeAnyOther() {
        Script.play(
            """
            policy workers 2
            hold
            start -> spawn 0/1 spawn 1/1
            spawned 0/1
            failed 1/1 missing | failed 1/1 spawn-missing, backoff 1 failures 1
            wait 100ms -> spawn 1/1#2
            failed 1/1#2 refused | backoff 1 failures 2
            wait 200ms -> spawn 1/1#3
            """)
    }

    @Test func anExhaustedMachineIsTriedAgain() {
        Script.play(
            """
            hold
            start -> spawn 0/1
            failed 0/1 exhausted | failed 0/1 spawn-exhausted, backoff 0 failures 1
            wait 49ms
            wait 51ms -> spawn 0/1#2
            failed 0/1#2 missing -> finish 127
            """)
    }

    @Test func newsMayComeBeforeTheAnswerToTheSpawn() {
        Script.play(
            """
            hold
            start -> spawn 0/1
            ready 0/1 | ready 0/1 0s
            spawned 0/1
            stop -> term 0/1
            exit 0/1 -> finish 0
            """)
        Script.play(
            """
            hold
            start -> spawn 0/1
            exit 0/1 | failed 0/1 exited-before-ready
            spawned 0/1
            wait 100ms -> spawn 0/1#2
            """)
    }

    @Test func aWorkerMayAskForMoreTimeToStartButNotForEver() {
        Script.play(
            """
            policy ready-timeout 60s
            start -> spawn 0/1
            wait 50s
            extend 0/1 5s
            timer 10s
            extend 0/1 60s
            timer 60s
            extend 0/1 9999s
            timer 3550s
            wait 3000s
            extend 0/1 9999s
            timer 550s
            wait 550s -> term 0/1 | failed 0/1 timed-out 3600s
            """)
    }

    @Test func neverMayBeWrittenAsAVeryLongDuration() {
        Script.play(
            """
            policy ready-timeout 9223372036854775807s
            start -> spawn 0/1
            timer none
            """)
    }
}
