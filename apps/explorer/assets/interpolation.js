"use strict";

// The interpolation page: sentences typed, points clicked and choices made go into the URL.
(function () {
    const same = () => window.dash_clientside.no_update;
    const write = (changes, defaults) => window.dash_clientside.explorer.write(changes, defaults);
    const triggered = () => window.dash_clientside.callback_context.triggered;
    const query = (key) => new URLSearchParams(window.location.search).get(key);

    const DEFAULTS = {path: "straight", steps: "11", ground: "gap", x: "a1", y: "a2", limit: "4", prior: "1"};
    const NO_POINTS = {on: "", pa: "", pb: ""};

    const interpolation = {
        controls(path, steps, ground, x, y, limit, prior) {
            // The page that just opened reports all of its controls at once.
            if (path === undefined || triggered().length !== 1 || steps === "") return same();
            return write({path, steps, ground, x, y, limit, prior: prior ? "1" : "0"}, DEFAULTS);
        },

        sentences(a, b) {
            const ends = {a: (a || "").trim(), b: (b || "").trim()};
            // A page that just opened reports the pair it begins with; that is no reader's doing.
            const before = [query("a"), query("b")];
            const typed = before.some((one) => one !== null)
                && (ends.a !== (before[0] || "") || ends.b !== (before[1] || ""));
            return write(typed ? {...ends, ...NO_POINTS} : ends);
        },

        // The first click on a map is A, the second on the same map B, the third a new A.
        point() {
            const clicked = triggered().filter((one) => one.value);
            if (clicked.length !== 1) return same();
            const run = JSON.parse(clicked[0].prop_id.replace(/\.clickData$/, "")).run;
            const {x, y} = clicked[0].value.points[0];
            const at = [x, y].map((v) => Number(v).toFixed(3)).join();
            const second = query("on") === run && query("pa") && !query("pb");
            return write(second ? {pb: at} : {on: run, pa: at, pb: ""});
        },

        fill(how) {
            return how ? write({fill: how}, {fill: "nearest"}) : same();
        },

        back(clicks) {
            return clicks ? write(NO_POINTS) : same();
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {interpolation});
})();
