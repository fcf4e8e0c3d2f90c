"use strict";

(function () {
    const same = () => window.dash_clientside.no_update;
    const make = (tag, className, text) => {
        const made = document.createElement(tag);
        if (className) made.className = className;
        if (text !== undefined) made.textContent = text;
        return made;
    };


    // Typed arrays become lists, and what plotly keeps for itself (_...) goes.
    const plain = (value) => JSON.parse(JSON.stringify(value, (key, part) => {
        if (key.startsWith("_") || typeof part === "function") return undefined;
        return ArrayBuffer.isView(part) ? Array.from(part) : part;
    }));

    const figure = (plot) => {
        const {data, layout} = plain({data: plot.data, layout: plot.layout});
        delete layout.width;
        delete layout.height;
        return {data, layout: {...layout, autosize: true}};
    };

    const words = (node) => (node ? node.innerText.replace(/\s+/g, " ").trim() : "");

    function names(panel) {
        const article = panel.closest("article");
        const parts = [panel.querySelector(".panel-head span"), article && article.querySelector("h3")];
        const when = article && article.querySelector(".where");
        return [...parts, when].map(words).filter(Boolean);
    }

    const slug = (parts) => parts.join("-").toLowerCase()
        .replace(/[^\p{L}\p{N}.]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 120) || "figure";

    const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

    // A figure that leaves its page says what it shows.
    function titled(panel, plot) {
        const {data, layout} = figure(plot);
        const [title, ...rest] = names(panel).map(escaped);
        const style = getComputedStyle(document.body);
        const room = 18 * (1 + rest.length) + 8;
        const margin = {...layout.margin, t: ((layout.margin || {}).t || 8) + room};
        const shown = [`<b>${title}</b>`, ...rest].join("<br>");
        return {
            data,
            layout: {
                ...layout, margin,
                paper_bgcolor: style.backgroundColor,
                title: {text: shown, x: 0, y: 1, yanchor: "top", pad: {t: 20, l: 8}, font: {size: 13, color: style.color}},
            },
            width: plot.clientWidth,
            height: plot.clientHeight + room,
        };
    }

    function save(blob, name) {
        const link = make("a");
        link.href = URL.createObjectURL(blob);
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }

    async function image(panel, plot, format) {
        const {width, height, ...shown} = titled(panel, plot);
        const scale = format === "png" ? 3 : 1;
        await window.Plotly.downloadImage(shown, {format, width, height, scale, filename: slug(names(panel))});
    }

    async function pdf(panel, plot) {
        const answer = await fetch("/_export/pdf", {
            method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify(titled(panel, plot)),
        });
        const drawn = answer.headers.get("Content-Type") === "application/pdf";
        if (!drawn) throw new Error(answer.ok ? await answer.text() : "The server did not answer.");
        save(await answer.blob(), slug(names(panel)) + ".pdf");
    }


    function value(control) {
        const boxes = [...control.querySelectorAll("input[type=checkbox]")];
        if (boxes.length === 1) return boxes[0].checked ? "on" : "off";
        if (boxes.length) return boxes.filter((b) => b.checked).map((b) => words([...b.labels].at(-1))).join(", ");
        const radio = control.querySelector("input[type=radio]:checked");
        if (radio) return words(radio.nextElementSibling) || radio.value;
        const typed = [...control.querySelectorAll("input:not([type=hidden]), textarea")].map((e) => e.value);
        return typed.filter(Boolean).join(", ");
    }

    function control(original) {
        const [label, ...rest] = [...original.children].map((child) =>
            child.matches("button") ? "" : child.matches("span") ? words(child) : value(child) || words(child));
        const shown = rest.filter(Boolean).join(" ");
        if (!shown) return "";
        const said = make("span", "setting");
        said.append(make("b", "", label), " " + shown);
        return said;
    }

    function cell(api, column, node) {
        const field = column.getColDef().field;
        const value = (node.data || {})[field];
        if (value === undefined || value === null) return "–";
        const estimator = node.data[field + "_estimator"];
        const shown = typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
        return estimator ? `${shown} ${estimator}` : shown;
    }

    function table(id) {
        const api = window.dash_ag_grid.getApi(id);
        const columns = api.getAllGridColumns().filter((c) => c.getColDef().headerName);
        const made = make("table", "rows");
        const head = made.createTHead().insertRow();
        columns.forEach((c) => head.append(make("th", "", c.getColDef().headerName)));
        const body = made.createTBody();
        api.forEachNodeAfterFilterAndSort((node) => {
            const row = body.insertRow();
            if (node.isSelected()) row.className = "chosen";
            columns.forEach((c) => {
                const shown = cell(api, c, node);
                row.append(make("td", shown.length > 24 ? "long" : "", shown));
            });
        });
        return made;
    }

    const GONE = "script, style, .modebar, button.save, .toolbar button, [hidden], .hint, .mantine-Slider-root, dialog";

    // A copy without anything that needs a server; pictures leave their place and go to `figures`.
    function copy(root, figures) {
        const clone = root.cloneNode(true);
        const each = (selector, change) => {
            const copies = [...clone.querySelectorAll(selector)];
            [...root.querySelectorAll(selector)].forEach((one, k) => change(one, copies[k]));
        };
        const jobs = [];
        each(".js-plotly-plot", (plot, place) => jobs.push(() => {
            const left = make("div", "figure");
            if (plot.data && plot.data.length + ((plot.layout || {}).annotations || []).length) {
                left.dataset.figure = figures.push(figure(plot)) - 1;
            }
            place.replaceWith(left);
        }));
        each(".ag-root-wrapper", (grid, place) => {
            const box = grid.closest("[id]:not([id^=ag-])");
            const shown = clone.querySelector("#" + CSS.escape(box.id));
            jobs.push(() => shown.replaceWith(table(box.id)));
        });
        each(".control", (one, other) => jobs.push(() => other.replaceWith(control(one))));
        jobs.forEach((job) => job());
        clone.querySelectorAll(GONE).forEach((part) => part.remove());
        clone.querySelectorAll("button.info").forEach((button) => {
            const link = make("a", "info", "i");
            link.href = "#about-" + button.dataset.caption;
            button.replaceWith(link);
        });
        clone.querySelectorAll("button, a:not(.info)").forEach((one) => {
            if (one.matches("button") && !one.closest("td, th, li, p")) return one.remove();
            const still = make("span", one.className);
            still.append(...one.childNodes);
            one.replaceWith(still);
        });
        clone.querySelectorAll("input, textarea, iframe, object, embed, form").forEach((one) => one.remove());
        return clone;
    }

    const embedded = (figures) => JSON.stringify(figures).replaceAll("<", "\\u003c");

    async function write(clone, figures, name) {
        const keys = [...clone.querySelectorAll("a.info")].map((a) => a.getAttribute("href").slice(7));
        const asked = new URLSearchParams({
            path: location.pathname, search: location.search,
            mode: document.documentElement.dataset.mantineColorScheme,
        });
        [...new Set(keys)].forEach((key) => asked.append("caption", key));
        const answer = await fetch("/_export/report?" + asked);
        if (!answer.ok) throw new Error(await answer.text());
        const [before, between, after] = await answer.json();
        save(new Blob([before, clone.outerHTML, between, embedded(figures), after], {type: "text/html"}), name + ".html");
    }

    async function panelPage(panel) {
        const figures = [];
        const article = panel.closest("article");
        const page = make("div", "page alone");
        const head = article && article.querySelector("header");
        if (head) page.append(copy(head, figures));
        page.append(copy(panel, figures));
        await write(page, figures, slug(names(panel)));
    }

    async function settled() {
        const end = Date.now() + 20_000;
        while (document.querySelector("#page [data-dash-is-loading]") && Date.now() < end) {
            await new Promise((done) => setTimeout(done, 100));
        }
    }


    const KINDS = {PNG: (p, g) => image(p, g, "png"), SVG: (p, g) => image(p, g, "svg"), HTML: panelPage, PDF: pdf};
    let menu = null;

    function close(focus) {
        if (!menu) return;
        const {opener, box} = menu;
        menu = null;
        box.remove();
        opener.removeAttribute("aria-expanded");
        if (focus) opener.focus();
    }

    function entry(kind, panel) {
        const button = make("button", "", kind);
        button.setAttribute("role", "menuitem");
        button.addEventListener("click", async () => {
            const said = menu.box.querySelector("p");
            said.textContent = "…";
            try {
                await KINDS[kind](panel, panel.querySelector(".js-plotly-plot"));
                close(true);
            } catch (error) {
                said.textContent = error.message || String(error);
            }
        });
        return button;
    }

    function open(opener) {
        const box = make("div", "save-menu");
        box.setAttribute("role", "menu");
        box.append(...Object.keys(KINDS).map((kind) => entry(kind, opener.closest(".panel"))), make("p"));
        opener.setAttribute("aria-expanded", "true");
        const at = opener.getBoundingClientRect();
        box.style.top = `${at.bottom + window.scrollY + 4}px`;
        box.style.right = `${document.documentElement.clientWidth - at.right}px`;
        document.body.append(box);
        menu = {opener, box};
        box.querySelector("button").focus();
    }

    document.addEventListener("click", (event) => {
        if (menu && menu.box.contains(event.target)) return;
        const opener = event.target.closest && event.target.closest("button.save");
        const known = menu && menu.opener;
        close(false);
        if (opener && opener !== known) open(opener);
    });

    document.addEventListener("keydown", (event) => {
        if (!menu) return;
        const entries = [...menu.box.querySelectorAll("button")];
        const step = {ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1}[event.key];
        if (event.key === "Escape") close(true);
        if (event.key === "Tab") close(false);
        if (!step) return;
        event.preventDefault();
        const here = entries.indexOf(document.activeElement);
        entries[(here + step + entries.length) % entries.length].focus();
    });

    const functions = {
        search(text, options) {
            return options ? {...options, quickFilterText: text || ""} : same();
        },

        async report(clicks) {
            if (!clicks) return same();
            const back = () => window.dash_clientside.set_props("report", {children: "Report"});
            setTimeout(back, 3000);
            try {
                await settled();
                const figures = [];
                const page = copy(document.querySelector("#page > *"), figures);
                await write(page, figures, `latent-lab-${slug([location.pathname.slice(1) || "latent"])}`);
                return "Saved";
            } catch (error) {
                console.warn(error);
                return "Failed";
            }
        },
    };

    window.dash_clientside = Object.assign({}, window.dash_clientside, {exporting: functions});
})();
