"use strict";

// The page of holes: a click on a map or on a row of a list names the place that every run describes.
(function () {
    const same = () => window.dash_clientside.no_update;
    const write = (changes, defaults) => window.dash_clientside.explorer.write(changes, defaults);
    const triggered = () => window.dash_clientside.callback_context.triggered;

    const holes = {
        controls(x, y, limit, prior, ground, fill, epoch) {
            // The page that just opened reports all of its controls at once.
            if (x === undefined || triggered().length !== 1) return same();
            const defaults = {x: "a1", y: "a2", limit: "4", prior: "1", ground: "gap", fill: "nearest", epoch: ""};
            return write({x, y, limit, prior: prior ? "1" : "0", ground, fill, epoch}, defaults);
        },

        point() {
            const clicked = triggered();
            if (clicked.length !== 1 || !clicked[0].value) return same();
            const point = clicked[0].value.points[0];
            if (point.customdata !== undefined) return write({draw: point.customdata, at: "", of: ""});
            return write({at: [point.x, point.y].map((v) => v.toFixed(3)).join(), of: "", draw: ""});
        },

        row() {
            const clicked = triggered().filter((one) => one.value);
            if (clicked.length !== 1) return same();
            const id = JSON.parse(clicked[0].prop_id.replace(/\.n_clicks$/, ""));
            return write({draw: id.draw, at: "", of: ""});
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {holes});
})();
