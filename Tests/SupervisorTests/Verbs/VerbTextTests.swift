import Testing

@testable import reloaderd

/// What people read, piece by piece.
@Suite struct VerbTextTests {
    @Test func aBarFitsItsWidth() {
        var bar = ProgressBar()
        bar.generation = 12
        bar.workers = 8
        bar.replaced = 3
        bar.message = "slot 2 is replaced"
        #expect(
            bar.text(width: 80, seconds: 7.9)
                == "generation 12  [##########------------------]  3/8  7s  slot 2 is replaced")
        #expect(bar.text(width: 60, seconds: 7) == "generation 12  [##########------------------]  3/8  7s  slot")
        #expect(bar.text(width: 34, seconds: 7) == "generation 12  [###-----]  3/8  7s")
        #expect(bar.text(width: 29, seconds: 7) == "3/8  7s")
        for width in 0...120 {
            for seconds in [0.0, 59, 60, 86_400, .infinity] {
                #expect(bar.text(width: width, seconds: seconds).count <= width)
            }
        }
    }

    @Test func aBarIsFullOnlyAtTheEnd() {
        var bar = ProgressBar()
        bar.workers = 4096
        for replaced in 0...4096 {
            bar.replaced = replaced
            #expect(bar.text(width: 80, seconds: 0).contains("-]") == (replaced < 4096))
        }
        // Values that make no sense do no harm.
        bar.replaced = 9_999
        #expect(bar.text(width: 80, seconds: -1).contains("[############################]"))
        bar.replaced = -5
        #expect(bar.text(width: 80, seconds: 0).contains("[----------------------------]"))
    }

    @Test func textOfOthersIsHarmless() {
        #expect(terminalText("a\tb") == "a    b")
        #expect(terminalText("\u{1B}]0;title\u{07}\u{9B}2J\r\n") == "\\u{1B}]0;title\\u{07}\\u{009B}2J\\r\\n")
        #expect(terminalText("\u{202E}\u{200B}") == "\\u{202E}\\u{200B}")
        #expect(terminalText("ünïcödé ✓") == "ünïcödé ✓")
        // All of a line of stderr is shown.
        #expect(terminalText(String(repeating: "x", count: 512)).count == 512)
    }

    @Test func durationsHaveTwoUnits() {
        let texts = [0, 59.9, 60, 725, 3_600, 11_520, 86_400, 446_400].map { durationText($0) }
        #expect(texts == ["0s", "59s", "1m00s", "12m05s", "1h00m", "3h12m", "1d00h", "5d04h"])
        #expect(durationText(-1) == "0s")
        #expect(
            [0, 1.005, 59.99, 60, 3_725].map { secondsText($0) } == ["0.00s", "1.00s", "59.99s", "1m00s", "1h02m"])
    }

    @Test func memoryHasOneDecimal() {
        #expect(
            [0, 1023, 1024, 12_345_678, 5 << 30].map { memoryText($0) } == ["0B", "1023B", "1.0K", "11.8M", "5.0G"])
        #expect(memoryText(.max) == "8388608.0T")
        #expect(memoryText(.min) == "0B")
    }

    @Test func timesLoseTheirFraction() {
        #expect(timeText("2026-11-24T21:34:05.123Z") == "2026-11-24 21:34:05Z")
        #expect(timeText("yesterday") == "yesterday")
        #expect(timeText("é\u{1B}") == "é\\u{1B}")
    }

    @Test func columnsAreAsWideAsTheyMustBe() {
        var table = Table([.left("A"), .right("BB"), .left("C")])
        table.add(["long", "1", ""])
        table.add(["x", "234", "y"])
        #expect(table.lines == ["A      BB  C", "long    1", "x     234  y"])
    }
}
