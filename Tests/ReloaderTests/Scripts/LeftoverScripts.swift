import Testing

/// What workers leave behind when they end.
@Suite struct LeftoverScripts {
    /// A wrapper dies from the stop signal; its program has what is left of the time.
    @Test func theyHaveTheRestOfTheStopTimeout() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            reload 2 -> spawn 0/2
            ready 0/2 -> term 0/1 release 1
            wait 10s
            exit-leaving 0/1 -> term-left 0/1 | exited 0/1 expected, left-ending 0/1 20s
            timer 20s
            wait 19s
            timer 1s
            wait 1s -> kill-left 0/1 | left-killed 0/1 stopTimedOut
            timer none
            nothing-left 0/1
            nothing-left 0/1
            """)
    }

    @Test func theDaemonEndsWhenNothingIsLeft() {
        Script.play(
            """
            policy workers 2 stop-timeout 30s
            start -> spawn 0/1 spawn 1/1
            stop -> term 0/1 term 1/1
            exit-leaving 0/1 -> term-left 0/1
            exit 1/1
            alive 0
            nothing-left 0/1 -> finish 0
            timer none
            """)
    }

    /// The exit that counts is the worker's own: another worker starts at once.
    @Test func aCrashLeavesThemAWholeStopTimeout() {
        Script.play(
            """
            policy stop-timeout 30s backoff-reset 10s
            start -> spawn 0/1
            ready 0/1
            wait 10s
            crash-leaving 0/1 -> term-left 0/1 spawn 0/1#2 \
                | exited 0/1 unexpected, left-ending 0/1 30s, failed 0/1 crashed
            ready 0/1#2
            wait 30s -> kill-left 0/1
            nothing-left 0/1
            timer none
            """)
    }

    @Test func whatIsKilledIsKilledWithAllThatItHasLeft() {
        Script.play(
            """
            policy stop-timeout 1s
            start -> spawn 0/1
            ready 0/1
            stop -> term 0/1
            wait 1s -> kill 0/1
            exit-leaving 0/1 -> kill-left 0/1 | left-killed 0/1 withWorker
            timer none
            nothing-left 0/1 -> finish 0
            """)
    }

    @Test func aFastStopEndsThemToo() {
        Script.play(
            """
            policy stop-timeout 30s
            start -> spawn 0/1
            ready 0/1
            stop -> term 0/1
            exit-leaving 0/1 -> term-left 0/1
            stop fast -> kill-left 0/1 | stopping fast, left-killed 0/1 fastStop
            stop fast
            nothing-left 0/1 -> finish 0
            """)
        Script.play(
            """
            start -> spawn 0/1
            stop fast -> kill 0/1
            exit-leaving 0/1 -> kill-left 0/1
            nothing-left 0/1 -> finish 0
            """)
    }

    /// However quickly a program that leaves processes behind crashes, no more than the bound pile up.
    @Test func theyTakePartInTheBoundOnThoseThatLinger() {
        Script.play(
            """
            policy stop-timeout 300s backoff-reset 1s
            start -> spawn 0/1
            ready 0/1
            wait 1s
            crash-leaving 0/1 -> term-left 0/1 spawn 0/1#2
            ready 0/1#2
            wait 1s
            crash-leaving 0/1#2 -> term-left 0/1#2 spawn 0/1#3
            ready 0/1#3
            wait 1s
            crash-leaving 0/1#3 -> term-left 0/1#3
            wait 100s
            nothing-left 0/1#2 -> spawn 0/1#4
            """)
    }

    @Test func aSlotThatIsGoneStaysUntilNothingIsLeftOfIt() {
        Script.play(
            """
            policy workers 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            scale 1 -> term 1/1
            exit-leaving 1/1 -> term-left 1/1
            scale 2 -> spawn 1/1#2
            scale 1 -> term 1/1#2
            exit 1/1#2
            nothing-left 1/1
            stop -> term 0/1
            exit 0/1 -> finish 0
            """)
    }
}
