extension Page {
    /// Reads the values of charts out: under the pointer, and with the arrow keys, Home and End where a chart has the focus.
    static let script = #"""
        "use strict";
        for (const figure of document.querySelectorAll("figure.chart")) {
          const chart = JSON.parse(figure.querySelector("script").textContent);
          const svg = figure.querySelector("svg"), cursor = svg.querySelector(".cursor");
          const output = figure.querySelector("output"), resting = output.textContent;
          const places = [...new Set(chart.curves.flatMap(curve => curve.x))].sort((a, b) => a - b);
          let at = -1;
          const short = number => String(Number(number.toPrecision(6)));
          const show = place => {
            at = Math.max(0, Math.min(places.length - 1, place));
            const x = places[at];
            const px = chart.left + (x - chart.low) / (chart.high - chart.low || 1) * chart.width;
            cursor.setAttribute("x1", px);
            cursor.setAttribute("x2", px);
            const parts = [`${chart.axis} ${short(x)}`];
            for (const curve of chart.curves) {
              // The newest point that isn't behind the place.
              let low = -1;
              for (let step = curve.x.length; step >= 1; step = step >> 1)
                while (low + step < curve.x.length && curve.x[low + step] <= x) low += step;
              if (low < 0) continue;
              const y = curve.y[low];
              parts.push(`${curve.name} ${y === null ? "no number" : short(y)}`);
            }
            output.textContent = parts.join(" · ");
          };
          const hide = () => {
            at = -1;
            cursor.setAttribute("x1", -9);
            cursor.setAttribute("x2", -9);
            output.textContent = resting;
          };
          const nearest = event => {
            const box = svg.getBoundingClientRect();
            const px = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
            const x = chart.low + (px - chart.left) / chart.width * (chart.high - chart.low);
            let best = 0;
            for (let index = 1; index < places.length; index++)
              if (Math.abs(places[index] - x) < Math.abs(places[best] - x)) best = index;
            return best;
          };
          if (!places.length) continue;
          svg.addEventListener("pointermove", event => show(nearest(event)));
          svg.addEventListener("pointerleave", hide);
          figure.addEventListener("blur", hide);
          figure.addEventListener("keydown", event => {
            const far = Math.max(1, Math.round(places.length / 10));
            const to = {
              ArrowLeft: at < 0 ? places.length - 1 : at - 1, ArrowRight: at + 1, PageUp: at - far, PageDown: at + far,
              Home: 0, End: places.length - 1
            }[event.key];
            if (event.key === "Escape") hide();
            if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
            event.preventDefault();
            show(to);
          });
        }
        """#
}
