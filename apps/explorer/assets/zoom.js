"use strict";

// One zoom for all maps of the latent page: the others follow at once, the server draws finer later.
(function () {
    const WAIT = 200; // milliseconds after the last movement
    const CLOSE = 1e-4; // of the width: two windows that differ by less are the same
    let later = null;

    const same = () => window.dash_clientside.no_update;
    const query = () => new URLSearchParams(window.location.search);
    const maps = () => [...document.querySelectorAll("#latent-columns .js-plotly-plot")].filter((map) => map._fullLayout);
    const limit = () => Number(query().get("limit") || 4);
    const whole = () => [-limit(), limit(), -limit(), limit()];
    const shown = (map) => [...map._fullLayout.xaxis.range, ...map._fullLayout.yaxis.range].map(Number);

    function alike(one, other) {
        const width = Math.min(one[1] - one[0], other[1] - other[0]);
        return one.every((bound, k) => Math.abs(bound - other[k]) <= CLOSE * width);
    }

    function follow(bounds) {
        for (const map of maps()) {
            if (map._fullLayout.xaxis.visible === false || alike(shown(map), bounds)) continue;
            const [x0, x1, y0, y1] = bounds;
            window.Plotly.relayout(map, {"xaxis.range": [x0, x1], "yaxis.range": [y0, y1]});
        }
    }

    function tell(bounds) {
        clearTimeout(later);
        later = setTimeout(() => {
            const zoom = alike(bounds, whole()) ? "" : bounds.map((v) => Number(v.toPrecision(6))).join();
            const search = window.dash_clientside.explorer.write({zoom});
            if (search !== same()) window.dash_clientside.set_props("view", {data: search});
        }, WAIT);
    }

    // Where the URL says the maps stand, so that an echo of it is no movement.
    function known() {
        const parts = (query().get("zoom") || "").split(",").map(Number);
        return parts.length === 4 && parts.every(Number.isFinite) ? parts : whole();
    }

    const zoom = {
        share() {
            const moved = window.dash_clientside.callback_context.triggered
                .filter((one) => one.value && Object.keys(one.value).some((key) => /^[xy]axis\.(range|autorange)/.test(key)));
            if (!moved.length) return;
            const {prop_id: name, value} = moved[0];
            const map = document.getElementById(name.slice(0, name.lastIndexOf(".")))?.querySelector(".js-plotly-plot");
            if (!map) return;
            const free = value["xaxis.autorange"] || value["yaxis.autorange"];
            const bounds = free ? whole() : shown(map);
            follow(bounds);
            if (!later && alike(bounds, known())) return;
            tell(bounds);
        },

        whole() {
            const pressed = window.dash_clientside.callback_context.triggered.some((t) => t.prop_id === "latent-whole.n_clicks" && t.value);
            if (pressed) {
                follow(whole());
                tell(whole());
            }
            return !query().has("zoom");
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {zoom});
})();
