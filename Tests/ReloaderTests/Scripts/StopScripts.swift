import Testing

/// Stop and drain-all.
@Suite struct StopScripts {
    @Test func theStopSignalThenSIGKILLThenTheEnd() {
        Script.play(
            """
            policy workers 2 stop-timeout 30s
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            stop -> term 0/1 term 1/1 | stopping graceful, draining 0/1 stopped, draining 1/1 stopped
            wait 10s
            exit 1/1 | exited 1/1 expected
            ready 0/1
            wait 20s -> kill 0/1 | killed 0/1 stopTimedOut
            wait 100s
            exit 0/1 -> finish 0
            stop
            start
            timer none
            """)
    }

    @Test func anEmptyPoolEndsAtOnce() {
        Script.play("stop -> finish 0")
        Script.play(
            """
            start -> spawn 0/1
            crash 0/1
            stop -> finish 0
            timer none
            """)
    }

    @Test func aSecondStopIsAFastOne() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            stop -> term 0/1 term 1/1
            exit 0/1
            wait 500ms
            stop -> kill 1/1 | stopping fast, killed 1/1 fastStop
            stop fast
            exit 1/1 -> finish 0
            """)
    }

    /// A key press at the terminal, the shell's signal and timeout's signal come from one wish.
    @Test func theSameStopTwiceAtOnceIsOne() {
        Script.play(
            """
            policy workers 2 stop-timeout 30s
            start -> spawn 0/1 spawn 1/1
            stop -> term 0/1 term 1/1
            stop
            wait 499ms
            stop
            wait 1ms
            stop -> kill 0/1 kill 1/1 | stopping fast
            """)
        Script.play(
            """
            start -> spawn 0/1
            stop -> term 0/1
            stop fast -> kill 0/1 | stopping fast
            """)
    }

    @Test func aFastStopKillsAlsoWhatDrains() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 release 1
            stop fast -> kill 0/2 kill 0/1
            timer none
            exit 0/1
            exit 0/2 -> finish 0
            """)
    }

    @Test func aStopBeforeTheAnswerToTheSpawn() {
        Script.play(
            """
            policy workers 2
            hold
            start -> spawn 0/1 spawn 1/1
            stop
            spawned 0/1 -> term 0/1
            failed 1/1 exhausted
            exit 0/1 -> finish 0
            """)
        Script.play(
            """
            hold
            start -> spawn 0/1
            stop fast
            spawned 0/1 -> kill 0/1
            exit 0/1 -> finish 0
            """)
        Script.play(
            """
            policy stop-timeout 30s
            hold
            start -> spawn 0/1
            stop
            wait 31s
            spawned 0/1 -> kill 0/1
            exit 0/1 -> finish 0
            """)
    }

    @Test func aDrainingWorkerMayAskForMoreTimeButNotForEver() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> term 0/1
            wait 20s
            extend 0/1 60s
            timer 60s
            extend 0/1 9999s
            timer 3580s
            wait 3580s -> kill 0/1
            extend 0/1 60s
            timer none
            """)
    }

    @Test func drainAllStartsNothingUntilTheNextReload() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            crash 1/1
            drain-all -> term 0/1 | draining-all
            drain-all
            timer 30s
            exit 0/1
            timer none
            wait 1000s
            scale 3 | scaled 2 to 3
            reload 2 workers 3 -> spawn 0/2 spawn 1/2 spawn 2/2 | roll 2 from 1
            ready 0/2
            ready 1/2
            ready 2/2 -> release 1 | roll-done 2 0s, pool-ready 3
            """)
    }

    @Test func drainAllAbortsARoll() {
        Script.play(
            """
            policy workers 2 surge 1
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 spawn 1/2
            drain-all -> term 0/2 term 1/2 term 1/1 release 2 | draining-all, aborted 2
            serves 1 1
            """)
    }

    @Test func aReloadThatFailsAfterDrainAllBringsTheBaseBack() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            drain-all -> term 0/1 term 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            exit 0/1
            ready 0/2
            crash 1/2 -> spawn 1/1#2 spawn 0/1#2 | roll-failed 2 to 1 slot 1 exited-before-ready revert 1
            ready 1/1#2
            ready 0/1#2 -> term 0/2 release 2 | reverted 2 to 1 0s
            """)
    }

    @Test func aStopAfterDrainAll() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            drain-all -> term 0/1
            stop
            exit 0/1 -> finish 0
            """)
    }
}
