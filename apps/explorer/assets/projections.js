"use strict";

// The page of projections: its controls write the URL.
(function () {
    const same = () => window.dash_clientside.no_update;
    const DEFAULTS = {projection: "pca", drawn: "density", limit: "4", prior: "1", by: "activity", count: "4"};

    const projections = {
        controls(projection, drawn, limit, prior, colour, by, count, pairs, epoch, last) {
            const fixed = window.dash_clientside.callback_context.triggered.map((t) => t.prop_id);
            // The page that just opened reports all of its controls at once.
            if (projection === undefined || fixed.length !== 1) return same();
            const changes = {projection, drawn, limit, prior: prior ? "1" : "0", by, count, pairs: (pairs || "").trim()};
            if (fixed.includes("projections-colour.value")) changes.colour = colour;
            if (fixed.includes("projections-epoch.value")) changes.epoch = epoch >= last ? "" : epoch;
            return window.dash_clientside.explorer.write(changes, DEFAULTS);
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {projections});
})();
