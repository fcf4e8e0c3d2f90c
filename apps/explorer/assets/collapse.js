"use strict";

// The thresholds of the collapse page: sliders, and the lines in every panel, that move together.
(function () {
    const same = () => window.dash_clientside.no_update;
    const THRESHOLDS = ["active", "narrow", "wide"];
    const REACH = 7; // pixels
    const PAUSE = 40; // milliseconds between two positions that are handed on, at least

    const put = (id, value) => window.dash_clientside.set_props(id, {value});
    const within = (value, low, high) => Math.min(Math.max(value, low), high);
    const plotAt = (event) => event.target.closest && event.target.closest("[id*='\"units\"'] .js-plotly-plot");

    function nearest(plot, event) {
        const {xaxis, yaxis} = plot._fullLayout;
        const area = plot.querySelector(".nsewdrag").getBoundingClientRect();
        const [x, y] = [event.clientX - area.left, event.clientY - area.top];
        if (x < 0 || y < 0 || x > area.width || y > area.height) return null;
        const [active, narrow, wide] = plot.layout.shapes;
        const border = xaxis.d2p(active.x0);
        const row = x > border ? narrow : wide;
        if (Math.abs(x - border) <= REACH) return "active";
        if (Math.abs(y - yaxis.d2p(row.y0)) > REACH) return null;
        return row === narrow ? "narrow" : "wide";
    }

    function move(plot, line, event) {
        const {xaxis, yaxis} = plot._fullLayout;
        const area = plot.querySelector(".nsewdrag").getBoundingClientRect();
        const [, narrow, wide] = plot.layout.shapes.map((shape) => shape.y0);
        if (line === "active") return put("threshold-active", within(Math.log10(xaxis.p2d(event.clientX - area.left)), -5, 0));
        const value = within(Math.round(100 * yaxis.p2d(event.clientY - area.top)) / 100, 0, 1);
        put("threshold-spread", line === "narrow" ? [Math.min(value, wide), wide] : [narrow, Math.max(value, narrow)]);
    }

    // A position waits until the panels have drawn the one before, so that requests never pile up.
    const drawing = () => document.querySelector("#collapse-columns [data-dash-is-loading='true']") !== null;

    let held = null;
    let handed = 0;

    document.addEventListener("mousedown", (event) => {
        const plot = plotAt(event);
        const line = plot && plot.layout.shapes && plot.layout.shapes.length === 3 && nearest(plot, event);
        if (!line) return;
        held = {plot, line};
        event.stopPropagation(); // plotly would start a zoom
        event.preventDefault();
    }, true);

    document.addEventListener("mousemove", (event) => {
        if (held) {
            event.stopPropagation();
            if (drawing() || performance.now() - handed < PAUSE) return;
            handed = performance.now();
            return move(held.plot, held.line, event);
        }
        const plot = plotAt(event);
        if (!plot || !plot.layout.shapes || plot.layout.shapes.length !== 3) return;
        const line = nearest(plot, event);
        plot.classList.toggle("grabs-x", line === "active");
        plot.classList.toggle("grabs-y", line === "narrow" || line === "wide");
    }, true);

    document.addEventListener("mouseup", (event) => {
        if (held) move(held.plot, held.line, event);
        held = null;
    }, true);

    const collapse = {
        // What all panels but the units depend on; it stays the same while a threshold is dragged.
        frame(search, known) {
            const params = new URLSearchParams(search || "");
            THRESHOLDS.forEach((key) => params.delete(key));
            const kept = params.toString();
            return kept === known ? same() : kept;
        },

        thresholds(active, spread) {
            const fixed = window.dash_clientside.callback_context.triggered;
            if (active === undefined || fixed.length !== 1) return same();
            const [narrow, wide] = spread;
            const changes = {active: Number((10 ** active).toPrecision(2)), narrow, wide};
            return window.dash_clientside.explorer.write(changes, {active: "0.01", narrow: "0.1", wide: "0.9"});
        },

        epoch(epoch, last) {
            const fixed = window.dash_clientside.callback_context.triggered;
            if (epoch === undefined || fixed.length !== 1) return same();
            return window.dash_clientside.explorer.write({epoch: epoch >= last ? "" : epoch});
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {collapse});
})();
