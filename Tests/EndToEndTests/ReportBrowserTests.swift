import Foundation
import TestSupport
import Testing

/// A browser of the PATH, nil where there is none.
private let browser: String? = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":").flatMap {
    folder in
    ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser"].map { "\(folder)/\($0)" }
}.first { FileManager.default.isExecutableFile(atPath: $0) }

/// The page of `dtrain report` in headless Chromium, where there is one.
@Suite(
    "Reports in a browser", .serialized,
    .enabled(if: browser != nil, "no chromium or google-chrome is installed"))
struct ReportBrowserTests {
    /// Opens a page: the document that it has become, and what its console and log say.
    private func open(_ bench: Workbench, _ page: String) throws -> ChildProcess.Result {
        try bench.run(
            browser ?? "",
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--user-data-dir=\(bench.path("profile"))", "--enable-logging=stderr", "--virtual-time-budget=3000",
                "--dump-dom",
                "file://\(bench.path(page))"
            ], timeLimitSeconds: 90)
    }

    @Test("no error and no script of a stranger runs; keys read the numbers of metrics.jsonl")
    func reading() throws {
        try withWorkbench { bench in
            let hostile = "<img src=x onerror=document.title='broken'>"
            try bench.write("t.csv", ReportTests.table(classes: ["</script><script>document.title='broken'</script>", hostile]))
            try bench.write("c.yaml", ReportTests.configuration)
            expectSuccess(
                try bench.dtrain(
                    "train", "c.yaml", "--run", hostile.replacing("/", with: ""), "--quiet", "--set", "training.log_every=1"))
            expectSuccess(try bench.dtrain("report", hostile, "--output", "page.html"))
            let seen = try open(bench, "page.html")
            #expect(seen.status == 0, "\(seen)")
            #expect(!seen.errors.contains("CONSOLE") && !seen.errors.contains("Content Security Policy"), "\(seen.errors)")
            #expect(seen.output.contains("· dtrain</title>") && !seen.output.contains("<title>broken"))

            // The same page with a script of the test's, which its policy would not let run, presses keys.
            let driver = """
                <script>
                const figure = document.querySelector("figure.chart"), said = [];
                figure.focus();
                for (const key of ["Home", "ArrowRight", "End", "Escape"]) {
                  figure.dispatchEvent(new KeyboardEvent("keydown", {key}));
                  said.push(figure.querySelector("output").textContent.trim());
                }
                document.title = said.join("|");
                </script>
                </body>
                """
            var html = bench.text("page.html")
            try bench.write("forged.html", html.replacing("</body>", with: driver))
            let refused = try open(bench, "forged.html")
            #expect(
                refused.errors.contains("Content Security Policy") && refused.output.contains("· dtrain</title>"),
                "\(refused.errors)")
            let policy = try #require(html.firstRange(of: /<meta http-equiv="Content-Security-Policy"[^>]*>/))
            html.removeSubrange(policy)
            try bench.write("driven.html", html.replacing("</body>", with: driver))
            let driven = try open(bench, "driven.html")
            let title = try #require(driven.output.components(separatedBy: "<title>").dropFirst().first).components(
                separatedBy: "</title>")[0]
            let said = title.components(separatedBy: "|")
            try #require(said.count == 4, "\(title) \(driven.errors)")
            let losses = try bench.files(hostile).log("step").compactMap { $0.numbers["loss"] }
            for (text, step, loss) in [
                (said[0], 1, losses[0]), (said[1], 2, losses[1]), (said[2], losses.count, losses[losses.count - 1])
            ] {
                #expect(text.hasPrefix("step \(step) · training "), "\(text)")
                let number = text.components(separatedBy: "training ").dropFirst().first.flatMap {
                    Double($0.prefix { $0 != " " })
                }
                #expect(abs((number ?? .nan) - loss) <= 1e-5 * loss, "\(text): \(loss)")
            }
            #expect(said[3].isEmpty)
        }
    }
}
