"use strict";

(function () {
    const same = () => window.dash_clientside.no_update;
    const query = () => new URLSearchParams(window.location.search);

    // The URL is the state: write the changes to it and hand the new query string to the callbacks.
    function write(changes, defaults) {
        const params = query();
        const before = params.toString();
        for (const [key, value] of Object.entries(changes)) {
            params.delete(key);
            for (const one of [].concat(value)) {
                const text = one === null || one === undefined ? "" : String(one);
                if (text !== "" && text !== (defaults || {})[key]) params.append(key, text);
            }
        }
        const after = params.toString();
        if (after === before) return same();
        const search = after ? "?" + after : "";
        window.history.replaceState(window.history.state, "", window.location.pathname + search);
        return search;
    }

    const equal = (a, b) => a.length === b.length && a.every((one) => b.includes(one));

    // Only what differs from `before` was the reader's doing, so that new runs and vanished ones never
    // change a choice.
    function choose(ids, before) {
        if (!ids || !before || equal(ids, before)) return same();
        const current = query().getAll("run");
        const base = current.length ? current : before;
        // A run may stand there as several of its epochs, "id@3".
        const known = ids.concat(before);
        const run = (name) => (known.includes(name) ? name : name.replace(/@\d+$/, ""));
        const kept = base.filter((name) => ids.includes(run(name)) || !before.includes(run(name)));
        const there = kept.map(run);
        return write({run: kept.concat(ids.filter((id) => !there.includes(id)))});
    }

    let ticked = null;
    let boxes = null; // what is ticked in the list of runs, as far as it is in the URL

    const functions = {
        write,

        pick(ids) {
            const before = boxes;
            boxes = ids;
            return choose(ids, before);
        },

        // An answer of the server must not take back a tick that is still on its way into the URL.
        boxes(shown, ids) {
            if (boxes && !equal(ids, boxes)) return same();
            boxes = shown;
            return equal(ids, shown) ? same() : shown;
        },

        // The grid hands over whole rows, or ids when the server chose them.
        tick(rows, all) {
            if (!rows) return same();
            if (!Array.isArray(rows)) {
                ticked = rows.ids;
                return same();
            }
            const present = new Set(all.map((row) => row.id));
            const gone = (ticked || []).filter((id) => !present.has(id));
            const shown = ticked;
            ticked = rows.map((row) => row.id).concat(gone);
            return choose(ticked, shown);
        },

        scheme(clicks, mode) {
            if (!clicks) {
                const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
                mode = window.localStorage.getItem("latent-lab-scheme") || (dark ? "dark" : "light");
            } else {
                mode = mode === "dark" ? "light" : "dark";
                window.localStorage.setItem("latent-lab-scheme", mode);
            }
            return [mode, mode];
        },

        brush(search, known) {
            const now = new URLSearchParams(search || "").get("brush") || "";
            return now === known ? same() : now;
        },

        // Into the URL, past the view: what the brush does not touch stays as it is drawn.
        keep(brush) {
            write({brush});
            return brush;
        },

        links(search, path, brush, ids) {
            const here = ids.some((id) => id.path === path) ? path : "/";
            return [
                ids.map((id) => id.path + window.location.search),
                ids.map((id) => (id.path === here ? "nav here" : "nav")),
            ];
        },

        async copy() {
            const address = window.location.href;
            if (navigator.clipboard) await navigator.clipboard.writeText(address);
            else window.prompt("Link to this view", address);
            setTimeout(() => window.dash_clientside.set_props("copy", {children: "Copy link"}), 1500);
            return "Copied";
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {explorer: functions});

    window.dashMantineFunctions = Object.assign({}, window.dashMantineFunctions, {
        keepAll: ({options}) => options,
    });

    window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {
        explorerTheme: (quartz) => quartz.withParams({
            backgroundColor: "var(--background)", foregroundColor: "var(--text)", borderColor: "var(--rule)",
            headerBackgroundColor: "var(--background)", headerTextColor: "var(--muted)", headerFontWeight: 500,
            accentColor: "var(--accent)", chromeBackgroundColor: "var(--background)",
            selectedRowBackgroundColor: "var(--surface)", rowHoverColor: "var(--surface)",
            fontFamily: "var(--font)", fontSize: 14, headerFontSize: 13, rowHeight: 52, headerHeight: 40,
            wrapperBorder: false, wrapperBorderRadius: 0, cellHorizontalPadding: 12, columnBorder: false,
        }),
    });

    const element = (...given) => window.React.createElement(...given);
    const figure = (value) => {
        const size = Math.abs(value);
        if (Number.isInteger(value) && size < 1e6) return String(value);
        const words = size < 10 ? size.toFixed(2) : size < 1000 ? size.toFixed(1) : Math.round(size).toLocaleString("en");
        return value < 0 && words !== "0.00" ? "−" + words : words;
    };

    window.dashAgGridComponentFunctions = Object.assign({}, window.dashAgGridComponentFunctions, {
        Method: ({data}) => element("span", null,
            element("span", {className: "swatch", style: {background: data.colour}}), data.label),
        Status: ({value}) => element("span", {className: "status " + value}, value),
        Progress: ({data}) => data.progress,
        Figure: ({value, data, colDef}) => {
            if (value === undefined || value === null) return element("span", {className: "absent"}, "–");
            const estimator = data[colDef.field + "_estimator"];
            return element("span", {className: "figure"}, figure(value), estimator ? element("small", null, estimator) : null);
        },
    });
})();
