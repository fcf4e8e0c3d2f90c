"use strict";

// The page of tables: elements from the server's description of them, and why cells are marked.
(function () {
    const same = () => window.dash_clientside.no_update;
    const GAP = 6; // pixels between a mark and its reasons
    const roots = new Map();

    function element(part, index) {
        if (typeof part === "string") return part;
        const properties = {...part.properties, key: index};
        return window.React.createElement(part.tag, properties, ...part.inner.map(element));
    }

    // React keeps what stays the same, so that a growing table loses no focus and no scroll position.
    function draw(id, parts) {
        const place = document.getElementById(id);
        if (!place || !parts) return;
        const known = roots.get(id);
        if (known && known.place !== place) known.root.unmount();
        if (!known || known.place !== place) {
            roots.set(id, {place, root: window.ReactDOM.createRoot(place)});
        }
        roots.get(id).root.render(parts.map(element));
    }

    const equal = (a, b) => a.length === b.length && a.every((one) => b.includes(one));

    const tables = {
        draw(blocks, below) {
            hide();
            draw("table-blocks", blocks);
            draw("table-below", below);
        },

        choose(reference, columns, clicks, offered) {
            const write = window.dash_clientside.explorer.write;
            const query = new URLSearchParams(window.location.search);
            const fixed = window.dash_clientside.callback_context.triggered.map((t) => t.prop_id);
            if (fixed.length !== 1) return same();
            if (fixed.includes("table-reference.value")) return write({table: reference}, {table: "clvae:1"});
            if (fixed.includes("table-fold.n_clicks")) {
                return clicks ? write({blocks: query.get("blocks") === "all" ? "" : "all"}) : same();
            }
            // The server ticks what it offers: only what differs from it was the reader's doing.
            if (!columns || !offered || equal(columns, offered.shown)) return same();
            const elsewhere = query.getAll("hide").filter((name) => !offered.all.includes(name));
            return write({hide: elsewhere.concat(offered.all.filter((name) => !columns.includes(name)))});
        },
    };

    let marked = null;
    let told = null;

    function hide() {
        if (told) told.remove();
        marked = told = null;
    }

    function place() {
        if (!told) return;
        const [at, size] = [marked.getBoundingClientRect(), told.getBoundingClientRect()];
        const below = at.bottom + GAP + size.height < window.innerHeight;
        const left = Math.min(at.left, document.documentElement.clientWidth - size.width - GAP);
        told.style.left = `${Math.max(left, GAP)}px`;
        told.style.top = `${below ? at.bottom + GAP : at.top - GAP - size.height}px`;
    }

    function tell(mark) {
        hide();
        marked = mark;
        told = document.createElement("div");
        told.className = "why";
        told.setAttribute("role", "tooltip");
        told.textContent = mark.getAttribute("aria-label");
        document.body.append(told);
        place();
    }

    const markAt = (event) => event.target.closest && event.target.closest(".marks");

    for (const kind of ["mouseover", "focusin"]) {
        document.addEventListener(kind, (event) => {
            const mark = markAt(event);
            if (mark) tell(mark);
        });
    }
    for (const kind of ["mouseout", "focusout"]) {
        document.addEventListener(kind, (event) => {
            if (markAt(event)) hide();
        });
    }
    document.addEventListener("scroll", place, true);
    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") hide();
    });

    window.dash_clientside = Object.assign({}, window.dash_clientside, {tables});
})();
