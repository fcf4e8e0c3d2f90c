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
        const {_fullLayout: drawn, layout} = graph.querySelector(".js-plotly-plot");
        const cell = (target.dataset.subplot || "xy").slice(1).split("y")[0]; // of "x3y3" the third
        const [xaxis, yaxis] = [drawn["xaxis" + cell], drawn["yaxis" + cell]];
        if (xaxis.visible === false) return null; // a line of words
        const area = target.getBoundingClientRect();
        const [x0, x1] = xaxis.range;
        // The picture says which axes it has: the URL may ask for others by now.
        const of = [].concat(layout.meta?.of ?? "");
        const data = {
            ...part, of: of[Number(cell || 1) - 1], span: Math.abs(x1 - x0),
            x: xaxis.p2d(x - area.left), y: yaxis.p2d(y - area.top), when: Date.now(),
        };
        return () => graph.isConnected && window.dash_clientside.set_props(STORES[part.type], {data});
    }

    document.addEventListener("pointerdown", (event) => {
        const on = event.button === 0 ? picture(event.target) : null;
        const twice = Boolean(later && on && later.graph === on.graph);
        if (twice) {
            clearTimeout(later.timer);
            later = null;
        }
        pressed = on && {on, x: event.clientX, y: event.clientY, twice};
        if (on) touched = {run: on.part.run, when: Date.now()};
    }, true);

    document.addEventListener("pointermove", (event) => {
        if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > STILL) pressed = null;
    }, true);

    document.addEventListener("pointerup", () => {
        if (!pressed || pressed.twice) return;
        const done = tell(pressed.on, pressed.x, pressed.y);
        if (!done) return;
        const timer = setTimeout(() => { if (later?.timer === timer) later = null; done(); }, DOUBLE);
        later = {timer, graph: pressed.on.graph};
    }, true);

    const clicks = {
        justTouched: (run) => touched.run === run && Date.now() - touched.when < RECENT,

        // Into the URL; the page of one sentence keeps it.
        clear(times, path) {
            const place = {at: "", of: "", draw: ""};
            const changes = path === "/sentence" ? place : {...place, item: ""};
            return times ? window.dash_clientside.explorer.write(changes) : window.dash_clientside.no_update;
        },

        found: (changes) => (changes ? window.dash_clientside.explorer.write(changes) : window.dash_clientside.no_update),
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {clicks});
})();
