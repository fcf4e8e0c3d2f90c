"use strict";

// Changes a picture in place when its new figure arrives. What the reader set is read at that moment,
// so that an answer to an older request never meets a picture that is no longer there.
(function () {
    const READERS = ["range", "autorange"];

    function axis(made, shown) {
        const kept = READERS.filter((name) => shown && name in shown).map((name) => [name, shown[name]]);
        return {...made, ...Object.fromEntries(kept)};
    }

    const redraw = {
        keep(made, shown) {
            if (!made) return window.dash_clientside.no_update;
            const [layout, before] = [made.layout, shown && shown.layout];
            if (!before || before.uirevision === undefined || before.uirevision !== layout.uirevision) return made;
            const [xaxis, yaxis] = [axis(layout.xaxis, before.xaxis), axis(layout.yaxis, before.yaxis)];
            return {...made, layout: {selections: [], ...layout, xaxis, yaxis, dragmode: before.dragmode}};
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {redraw});
})();
