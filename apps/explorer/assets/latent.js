"use strict";

// The latent page: its controls, outlines and clicks go into the URL or to the server.
(function () {
    const same = () => window.dash_clientside.no_update;
    const write = (changes, defaults) => window.dash_clientside.explorer.write(changes, defaults);
    const triggered = () => window.dash_clientside.callback_context.triggered;
    const DEFAULTS = {category: "mean", x: "a1", y: "a2", limit: "4", prior: "1"};
    const LAYERS = ["density", "gap", "centres"];
    const SHOWN = "density,centres";

    // Of a picture that reports something, which it is.
    const part = (one) => (one.prop_id[0] === "{" ? JSON.parse(one.prop_id.slice(0, one.prop_id.lastIndexOf("."))) : {});

    function layers(names) {
        const kept = LAYERS.filter((layer) => names.includes(layer));
        if (kept.join() === SHOWN) return "";
        return kept.length ? kept : "none";
    }

    function outline(data) {
        if (data.lassoPoints) return {x: data.lassoPoints.x, y: data.lassoPoints.y};
        if (!data.range) return null;
        const [x0, x1] = data.range.x;
        const [y0, y1] = data.range.y;
        return {x: [x0, x1, x1, x0], y: [y0, y0, y1, y1]};
    }

    // A redrawn panel reports its outline again, rounded to pixels.
    function alike(one, other) {
        return ["x", "y"].every((axis) => {
            const [a, b] = [one[axis], other[axis]].map((v) => [Math.min(...v), Math.max(...v)]);
            return a.every((end, k) => Math.abs(end - b[k]) < 0.005 * (a[1] - a[0]));
        });
    }

    // What the URL holds of the outline: "x,y,x,y,x,y|a1|a2|3|run".
    function brushed() {
        const [corners, , , , ...name] = (new URLSearchParams(window.location.search).get("brush") || "").split("|");
        const bounds = corners.split(",").map(Number);
        return {run: name.join("|"), x: bounds.filter((_, k) => k % 2 === 0), y: bounds.filter((_, k) => k % 2 === 1)};
    }

    const latent = {
        controls(x, y, colour, limit, prior, epoch, behind, category, show, last, offered) {
            const fixed = triggered().map((t) => t.prop_id);
            // The page that just opened reports all of its controls at once.
            if (x === undefined || fixed.length !== 1) return same();
            const changes = {x, y, limit, prior: prior ? "1" : "0"};
            // A zoom belongs to the axes it was made on.
            if (["axis-x.value", "axis-y.value", "limit.value"].includes(fixed[0])) changes.zoom = "";
            if (fixed.includes("colour.value")) changes.colour = colour;
            if (fixed.includes("epoch.value")) changes.epoch = epoch >= last ? "" : epoch;
            if (fixed.includes("show-layers.value")) changes.show = layers(show || []);
            // The server sets these two when other runs are shown: that is no choice of the reader's.
            if (fixed.includes("behind.value") && behind !== offered.shown) changes.behind = behind;
            if (fixed.includes("category.value") && category !== offered.category) changes.category = category;
            return write(changes, DEFAULTS);
        },

        // Only the outline travels to the server, never the points in it.
        select(all, ids) {
            const names = triggered().map((one) => part(one).run);
            const index = ids.findIndex((id) => names.includes(id.run));
            if (index < 0 || all[index] === undefined) return same();
            const run = ids[index].run;
            const drawn = all[index] && outline(all[index]);
            const known = brushed();
            // A panel that is just drawn has no outline yet: only the reader's hand takes one away.
            const byHand = window.dash_clientside.clicks.justTouched(run);
            if (!drawn) return known.run === run && byHand ? {} : same();
            return known.run === run && alike(known, drawn) ? same() : {run, ...drawn};
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {latent});
})();
