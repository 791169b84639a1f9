import Testing

/// Rolls in a pool whose memory has room for only so many workers.
@Suite struct RoomScripts {
    @Test func roomForOneGoesOneAtATime() {
        Script.play(
            """
            policy workers 4 surge 4
            start -> spawn 0/1 spawn 1/1 spawn 2/1 spawn 3/1
            ready 0/1
            ready 1/1
            ready 2/1
            ready 3/1
            reload 2 by room 1 -> spawn 0/2 | roll 2 from 1, bounded 2 room 1 surge 4
            ready 0/2 -> term 0/1 | replaced 0/2 1 of 4
            wait 5s  ; it drains, and still has its memory
            exit 0/1 -> spawn 1/2
            ready 1/2 -> term 1/1
            exit 1/1 -> spawn 2/2
            ready 2/2 -> term 2/1
            exit 2/1 -> spawn 3/2
            ready 3/2 -> term 3/1 release 1 | replaced 3/2 4 of 4, roll-done 2 5s
            exit 3/1
            timer none
            """)
    }

    @Test func roomForTwoOfThree() {
        Script.play(
            """
            policy workers 3 surge 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 by room 2 -> spawn 0/2 spawn 1/2 | bounded 2 room 2 surge 3
            ready 0/2 -> term 0/1
            exit 0/1 -> spawn 2/2
            """)
    }

    @Test func enoughRoomIsNoBound() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by room 2 -> spawn 0/2 spawn 1/2 | roll 2 from 1
            """)
    }

    @Test func endlessRoomIsNoBound() {
        Script.play(
            """
            start -> spawn 0/1
            ready 0/1
            reload 2 by room 9223372036854775807 -> spawn 0/2 | roll 2 from 1
            """)
    }

    @Test func noRoomIsRefused() {
        Script.play(
            """
            policy workers 2 kept 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by room 0 | refused no-room
            reload 3 by room -1 | refused no-room
            serves 1 1
            timer none
            reload 4 -> spawn 0/4
            ready 0/4 -> term 0/1 spawn 1/4
            exit 0/1
            ready 1/4 -> term 1/1
            exit 1/1
            rollback by room 0 | refused no-room
            rollback by room 0 ignoring-room -> spawn 0/1#2 | roll 1 from 4, bounded 1 room 0 surge 1
            """)
    }

    @Test func withoutRoomOneAtATimeIfAskedTo() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 by room 0 ignoring-room -> spawn 0/2 | bounded 2 room 0 surge 2
            ready 0/2 -> term 0/1
            exit 0/1 -> spawn 1/2
            ready 1/2 -> term 1/1 release 1 | roll-done 2 0s
            """)
    }

    /// Workers that end make room: the roll waits for them instead of being refused.
    @Test func whatEndsMakesRoom() {
        Script.play(
            """
            policy workers 2 surge 2
            start -> spawn 0/1 spawn 1/1
            ready 0/1
            ready 1/1
            reload 2 -> spawn 0/2 spawn 1/2
            ready 0/2 -> term 0/1
            ready 1/2 -> term 1/1 release 1
            reload 3 by room 0 | roll 3 from 2, bounded 3 room 0 surge 2
            exit 0/1 -> spawn 0/3
            exit 1/1 -> spawn 1/3
            """)
    }

    /// A slot without a worker loses nothing to its replacement, and keeps the room of its own next worker.
    @Test func anEmptySlotHasItsTurnAtOnceAndKeepsItsRoom() {
        Script.play(
            """
            policy workers 3 surge 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            exit 2/1 1
            reload 2 by room 2 -> spawn 2/2 spawn 0/2 | bounded 2 room 2 surge 3
            """)
    }

    @Test func aRevertKeepsToTheBound() {
        Script.play(
            """
            policy workers 3 surge 3
            start -> spawn 0/1 spawn 1/1 spawn 2/1
            ready 0/1
            ready 1/1
            ready 2/1
            reload 2 by room 1 -> spawn 0/2
            ready 0/2 -> term 0/1
            exit 0/1 -> spawn 1/2
            ready 1/2 -> term 1/1
            exit 1/1 -> spawn 2/2
            exit 2/2 1 -> spawn 0/1#2 | roll-failed 2 to 1 slot 2 exited-before-ready revert 2
            ready 0/1#2 -> term 0/2
            exit 0/2 -> spawn 1/1#2
            """)
    }

    @Test func aLargerPoolStillEnds() {
        Script.play(
            """
            policy workers 1
            start -> spawn 0/1
            ready 0/1
            reload 2 by room 1 -> spawn 0/2
            scale 3 -> spawn 1/1 spawn 2/1
            ready 0/2 -> term 0/1
            exit 0/1 -> spawn 1/2
            ready 1/2 -> term 1/1
            exit 1/1 -> spawn 2/2
            ready 2/1
            ready 2/2 -> term 2/1 release 1
            """)
    }
}
