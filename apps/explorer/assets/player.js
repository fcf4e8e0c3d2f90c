"use strict";

// Plays the dumped epochs of the runs shown by moving the slider, a frame at a time.
(function () {
    const same = () => window.dash_clientside.no_update;

    const FRAME = 240; // milliseconds a frame is shown at least
    let shown = 0;
    let now = {epoch: 0, dumps: []};

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

        watch(epoch, dumps) {
            now = {epoch, dumps};
        },

        face: (paused) => (paused ? ["▶", "Play"] : ["❚❚", "Pause"]),
    };

    // Arrows move the slider and the space bar plays, wherever on its page the reader is, except in what
    // has a use of its own for them.
    const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable], [role=slider], [role=menu], [role=listbox], .ag-root-wrapper";
    const PRESSING = "input, button, a, summary";
    const STEPS = {ArrowLeft: -1, ArrowRight: 1};

    function neighbour(epoch, dumps, step) {
        const beyond = dumps.filter((dump) => (dump - epoch) * step > 0);
        return step < 0 ? beyond.at(-1) : beyond[0];
    }

    document.addEventListener("keydown", (event) => {
        const play = document.getElementById("play");
        const taken = event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
        if (!play || taken || event.target.closest?.(TYPING)) return;
        if (event.key === " " && !event.target.closest?.(PRESSING)) {
            event.preventDefault();
            if (!event.repeat) play.click();
        } else if (event.key in STEPS) {
            event.preventDefault();
            const next = neighbour(now.epoch, now.dumps, STEPS[event.key]);
            // A key that is held down waits for the panels, as the player does.
            if (next !== undefined && !(event.repeat && drawing())) window.dash_clientside.set_props("epoch", {value: next});
        }
    });

    window.dash_clientside = Object.assign({}, window.dash_clientside, {player});
})();
