"use strict";

// Where a map was clicked goes to its page: plotly tells clicks on points alone, and none where nothing can be hovered over.
(function () {
    const STILL = 4; // pixels that a pointer may move within a click
    const DOUBLE = 300; // milliseconds within which a second click makes it a double one, which zooms out
    const RECENT = 3000; // milliseconds from a press until what it does is told
    const STORES = {
        latent: "latent-clicked",
        "projected-map": "projections-clicked",
        "projected-points": "projections-clicked",
        pairs: "projections-clicked",
        "sentence-map": "sentence-clicked",
    };
    let pressed = null;
    let later = null;
    let touched = {};

    // The picture below the pointer and what its id says, if clicks on it are told.
    function picture(target) {
        const graph = target.classList?.contains("nsewdrag") ? target.closest(".dash-graph") : null;
        if (!graph || !graph.id.startsWith("{")) return null;
        const part = JSON.parse(graph.id);
        return part.type in STORES ? {graph, part, target} : null;
    }

    function tell({graph, part, target}, x, y) {
        const layout = graph.querySelector(".js-plotly-plot")._fullLayout;
        const {xaxis, yaxis, number} = axes(layout, target.dataset.subplot || "xy");
        const area = target.getBoundingClientRect();
        const data = {...part, cell: number, x: xaxis.p2d(x - area.left), y: yaxis.p2d(y - area.top), when: Date.now()};
        return () => window.dash_clientside.set_props(STORES[part.type], {data});
    }

    // Of the subplot "x3y3", the third of its figure.
    function axes(layout, subplot) {
        const name = subplot.slice(1).split("y")[0];
        return {xaxis: layout["xaxis" + name], yaxis: layout["yaxis" + name], number: Number(name || 1)};
    }

    document.addEventListener("pointerdown", (event) => {
        if (later) clearTimeout(later);
        const on = event.button === 0 ? picture(event.target) : null;
        pressed = on && {on, x: event.clientX, y: event.clientY, twice: Boolean(later)};
        later = null;
        if (on) touched = {run: on.part.run, when: Date.now()};
    }, true);

    document.addEventListener("pointermove", (event) => {
        if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL) pressed = null;
    }, true);

    document.addEventListener("pointerup", () => {
        if (!pressed || pressed.twice) return;
        const done = tell(pressed.on, pressed.x, pressed.y);
        later = setTimeout(() => { later = null; done(); }, DOUBLE);
    }, true);

    const clicks = {
        justTouched: (run) => touched.run === run && Date.now() - touched.when < RECENT,

        // Into the URL; the page of one sentence keeps it.
        clear(times, path) {
            const place = {at: "", of: "", draw: ""};
            const changes = path === "/sentence" ? place : {...place, item: ""};
            return times ? window.dash_clientside.explorer.write(changes) : window.dash_clientside.no_update;
        },

        found(changes) {
            const defaults = {x: "a1", y: "a2"};
            return changes ? window.dash_clientside.explorer.write(changes, defaults) : window.dash_clientside.no_update;
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {clicks});
})();
