"use strict";

// The page of one sentence: its choices and the sentences clicked on it go into the URL.
(function () {
    const same = () => window.dash_clientside.no_update;
    const DEFAULTS = {near: "kl", k: "10", against: "before", x: "a1", y: "a2"};

    function clicked(triggered) {
        const press = triggered.find((t) => t.prop_id.endsWith(".n_clicks") && t.value);
        return press ? JSON.parse(press.prop_id.slice(0, -".n_clicks".length)).item : null;
    }

    const sentence = {
        choose(near, k, epoch, against, x, y, found) {
            const triggered = window.dash_clientside.callback_context.triggered;
            const item = clicked(triggered);
            const write = window.dash_clientside.explorer.write;
            if (item !== null) {
                window.scrollTo({top: 0});
                return write({item});
            }
            // The page that just opened reports all of its controls at once.
            if (near === undefined || triggered.length !== 1) return same();
            const [part] = triggered[0].prop_id.split(".");
            if (part === "sentence-searched") return found ? write(found) : same();
            const changes = {near, k, epoch, against, x, y};
            const name = part.replace("sentence-", "");
            return name in changes ? write({[name]: changes[name]}, DEFAULTS) : same();
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {sentence});
})();
