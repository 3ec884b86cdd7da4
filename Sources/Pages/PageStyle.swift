extension Page {
    /// Colours have a contrast of 4.5 or more on their ground, in both themes, and are told apart by people who see no red or green.
    static let style = #"""
        :root {
          color-scheme: light dark;
          --paper: #ffffff; --card: #f6f7f9; --ink: #1b1f24; --quiet: #57606a; --line: #d4d9df; --accent: #0b5cad;
          --c0: #0b5cad; --c1: #b34700; --c2: #1a7f37; --c3: #8250df; --c4: #bf1d6b; --c5: #5f5b52;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #12161b; --card: #1b2027; --ink: #e8ebef; --quiet: #9fa9b5; --line: #343c46; --accent: #6cb6ff;
            --c0: #6cb6ff; --c1: #ffa657; --c2: #57d68d; --c3: #c4a7ff; --c4: #ff8fbe; --c5: #c9c1b8;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0 auto; max-width: 78rem; padding: 1rem clamp(0.75rem, 3vw, 2rem) 3rem; background: var(--paper);
          color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
        }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0 0; overflow-wrap: anywhere; }
        h2 { font-size: 1.15rem; margin: 2.2rem 0 0.6rem; padding-top: 0.6rem; border-top: 1px solid var(--line); }
        p { margin: 0.4rem 0; max-width: 46rem; overflow-wrap: anywhere; }
        .quiet, small { color: var(--quiet); font-weight: normal; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.6rem; margin: 1rem 0; padding: 0; }
        .tiles div { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.5rem 0.8rem; }
        .tiles dt { color: var(--quiet); font-size: 0.85rem; }
        .tiles dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
        .axes { display: flex; gap: 0.4rem 1rem; flex-wrap: wrap; align-items: center; }
        .axes label { cursor: pointer; }
        .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1rem; margin-top: 0.6rem; }
        figure { margin: 0; }
        .chart { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.6rem 0.8rem 0.4rem; min-width: 0; }
        .chart figcaption { font-weight: 600; }
        .chart svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
        .chart output { display: block; min-height: 2.6em; color: var(--quiet); font-size: 0.85rem; line-height: 1.3; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .grid { stroke: var(--line); } .axis { stroke: var(--quiet); } .cursor { stroke: var(--ink); }
        .leader { stroke: var(--quiet); stroke-width: 0.75; fill: none; }
        .tick { fill: var(--quiet); font-size: 13px; } .name { font-size: 13.5px; font-weight: 600; }
        .curve { fill: none; stroke-width: 1.5; stroke-linejoin: round; } .strong { stroke-width: 2.5; }
        .c0 { stroke: var(--c0); } .c1 { stroke: var(--c1); } .c2 { stroke: var(--c2); }
        .c3 { stroke: var(--c3); } .c4 { stroke: var(--c4); } .c5 { stroke: var(--c5); }
        .m0, .t0 { fill: var(--c0); } .m1, .t1 { fill: var(--c1); } .m2, .t2 { fill: var(--c2); }
        .m3, .t3 { fill: var(--c3); } .m4, .t4 { fill: var(--c4); } .m5, .t5 { fill: var(--c5); }
        .parallel { overflow-x: auto; } .parallel svg { min-width: 38rem; }
        .parallel .tick { paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
        .axis-name { fill: var(--ink); font-size: 13px; font-weight: 600; }
        .wide { overflow-x: auto; margin: 0.6rem 0; }
        table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
        caption { text-align: left; color: var(--quiet); padding-bottom: 0.3rem; }
        th, td { padding: 0.25rem 0.7rem 0.25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
        th { font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
        th[scope=row] { font-weight: normal; white-space: pre; }
        .matrix td, .matrix th { padding: 0.25rem 0.45rem; text-align: center; border: 1px solid var(--line); }
        .matrix th { font-weight: normal; color: var(--quiet); }
        .h1 { background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
        .h2 { background: color-mix(in srgb, var(--accent) 22%, var(--paper)); }
        .h3 { background: color-mix(in srgb, var(--accent) 32%, var(--paper)); }
        .h4 { background: color-mix(in srgb, var(--accent) 42%, var(--paper)); font-weight: 700; }
        .side { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
        .side > * { flex: 1 1 20rem; min-width: 0; }
        .examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.8rem; padding: 0; margin: 0.6rem 0; list-style: none; }
        .examples.long { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
        .examples li { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.5rem; font-size: 0.85rem; overflow-wrap: anywhere; }
        .examples img { display: block; width: 100%; image-rendering: pixelated; border-radius: 0.25rem; margin-bottom: 0.3rem; }
        .examples svg { display: block; width: 100%; }
        blockquote { margin: 0 0 0.3rem; white-space: pre-wrap; font-family: ui-monospace, monospace; }
        pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 0.8rem; font-size: 0.85rem; }
        details { margin: 0.6rem 0; } summary { cursor: pointer; }
        #by-time:checked ~ .charts .by-step, #by-step:checked ~ .charts .by-time { display: none; }
        @media (max-width: 30rem) { body { font-size: 15px; } .tiles { grid-template-columns: 1fr 1fr; } .tick { font-size: 15px; } .name { font-size: 15px; } }
        @media print {
          :root { --paper: #fff; --card: #fff; --ink: #000; --quiet: #333; --line: #bbb; }
          body { max-width: none; padding: 0; font-size: 11px; }
          .charts { grid-template-columns: 1fr 1fr; }
          .axes, .chart output, .hint { display: none; }
          figure, tr, .examples li { break-inside: avoid; } h2 { break-after: avoid; }
          * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        }
        """#
}
