"use strict";

// Plays the dumped epochs of the runs shown by moving the slider, a frame at a time.
(function () {
    const same = () => window.dash_clientside.no_update;

    const FRAME = 240; // milliseconds a frame is shown at least
    let shown = 0;

    // A frame waits until every panel has drawn the one before, so that requests never pile up.
    const drawing = () => document.querySelector("#latent-columns [data-dash-is-loading='true']") !== null;

    function start(epoch, dumps) {
        const ended = !dumps.some((dump) => dump > epoch);
        return dumps.length < 2 ? [true, same()] : [false, ended ? dumps[0] : same()];
    }

    const player = {
        step(clicks, ticks, paused, epoch, dumps) {
            const pressed = window.dash_clientside.callback_context.triggered.some((t) => t.prop_id === "play.n_clicks");
            if (pressed) {
                shown = performance.now();
                return paused ? start(epoch, dumps) : [true, same()];
            }
            if (paused || drawing() || performance.now() - shown < FRAME) return [same(), same()];
            shown = performance.now();
            const next = dumps.find((dump) => dump > epoch);
            return next === undefined ? [true, same()] : [dumps.at(-1) === next, next];
        },

        face: (paused) => (paused ? ["▶", "Play"] : ["❚❚", "Pause"]),
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {player});
})();
