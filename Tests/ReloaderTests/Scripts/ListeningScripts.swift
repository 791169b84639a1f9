import Testing

/// Readiness by listening: on all the ports that are expected of a worker at once, on some of them after a while.
@Suite struct ListeningScripts {
    @Test func aWorkerIsReadyWhenItListensOnAllPorts() {
        Script.play(
            """
            policy ready-listening
            start -> spawn 0/1
            wait 3s
            listens 0/1 | ready 0/1 3s, pool-ready 1
            timer none
            """)
    }

    @Test func aReadyMessageCountsAsWell() {
        Script.play(
            """
            policy ready-listening
            start -> spawn 0/1
            listens-partly 0/1
            ready 0/1 | ready 0/1 0s
            timer none
            """)
    }

    @Test func elsewhereListeningMeansNothing() {
        Script.play(
            """
            start -> spawn 0/1
            listens-partly 0/1
            timer 60s
            listens 0/1
            timer 60s
            reload 2 ready-after 5s -> spawn 0/2
            listens-partly 0/2
            listens 0/2
            timer 5s
            """)
    }

    @Test func onSomePortsItIsReadyWhenThePatienceIsOver() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens-partly 0/1
            timer 1s
            wait 999ms
            wait 1ms -> count-ports 0/1
            timer 59s
            still-listens 0/1 | ready 0/1 1s, pool-ready 1
            timer none
            """)
    }

    @Test func eachPortBeginsThePatienceAgain() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens-partly 0/1
            wait 900ms
            listens-partly 0/1
            wait 900ms
            listens-partly 0/1
            timer 1s
            wait 500ms
            listens 0/1 | ready 0/1 2300ms
            timer none
            """)
    }

    @Test func aWorkerThatHasClosedAllPortsHasNotBegunToServe() {
        Script.play(
            """
            policy ready-listening ports-patience 1s ready-timeout 10s
            start -> spawn 0/1
            listens-partly 0/1
            wait 1s -> count-ports 0/1
            listens-no-more 0/1
            timer 9s
            wait 2s
            listens-partly 0/1 ; another try
            wait 1s -> count-ports 0/1
            listens-no-more 0/1
            wait 6s -> term 0/1 | draining 0/1 startTimedOut, failed 0/1 timed-out 10s
            """)
    }

    @Test func aPortThatComesDuringTheCountBeginsThePatienceAgain() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens-partly 0/1
            wait 1s -> count-ports 0/1
            listens-partly 0/1
            still-listens 0/1
            timer 1s
            wait 1s -> count-ports 0/1
            listens 0/1 | ready 0/1 2s
            still-listens 0/1
            timer none
            """)
    }

    @Test func nobodyIsReadyByACountThatWasNotAskedFor() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            still-listens 0/1
            listens-partly 0/1
            still-listens 0/1
            timer 1s
            """)
    }

    @Test func theReadyTimeoutIsNotPutOff() {
        Script.play(
            """
            policy ready-listening ports-patience 1s ready-timeout 1500ms
            start -> spawn 0/1
            wait 1s
            listens-partly 0/1
            timer 500ms
            wait 500ms -> term 0/1 | failed 0/1 timed-out 1500ms
            """)
    }

    @Test func theReadyTimeoutDoesNotWaitForTheCount() {
        Script.play(
            """
            policy ready-listening ports-patience 1s ready-timeout 1500ms
            start -> spawn 0/1
            listens-partly 0/1
            wait 1s -> count-ports 0/1
            wait 500ms -> term 0/1 | failed 0/1 timed-out 1500ms
            still-listens 0/1
            """)
    }

    @Test func timeInWhichNobodyRanIsNoReasonToWaitLonger() {
        Script.play(
            """
            policy ready-listening ports-patience 1s ready-timeout 10s
            start -> spawn 0/1
            wait 5s
            listens-partly 0/1
            overslept
            timer 1s
            wait 1s -> count-ports 0/1
            timer 9s
            still-listens 0/1 | ready 0/1 6s
            """)
    }

    @Test func aReplacementWithFewerPortsTakesItsSlot() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens 0/1
            reload 2 -> spawn 0/2
            listens-partly 0/2
            wait 1s -> count-ports 0/2
            still-listens 0/2 -> term 0/1 release 1 | ready 0/2 1s, replaced 0/2 1 of 1, roll-done 2 1s
            """)
    }

    @Test func aReplacementThatIsAbandonedIsNotCounted() {
        Script.play(
            """
            policy ready-listening ports-patience 1s
            start -> spawn 0/1
            listens 0/1
            reload 2 -> spawn 0/2
            listens-partly 0/2
            reload 3 -> term 0/2 spawn 0/3 release 2
            wait 2s
            listens 0/2
            timer 28s
            """)
    }

    /// The worker's call may be seen before its spawn is answered.
    @Test func aWorkerThatListensRuns() {
        Script.play(
            """
            policy ready-listening
            hold
            start -> spawn 0/1
            stop
            listens 0/1 -> term 0/1
            """)
    }
}
