"use strict";

// Captions and the menus of columns. One box for the whole page, made when it is asked for: a component
// for each of the many buttons would be looked at again at every change of anything on the page.
(function () {
    const MARGIN = 8; // pixels kept between a box and the window's edge
    const HEADS = ["Drawn", "Read", "Beware"];
    let shown = null;

    function make(tag, text, className) {
        const made = document.createElement(tag);
        if (text) made.textContent = text;
        if (className) made.className = className;
        return made;
    }

    function caption(opener) {
        const [title, ...paragraphs] = JSON.parse(opener.dataset.about);
        const box = make("div", "", "popup caption");
        box.setAttribute("role", "dialog");
        box.setAttribute("aria-label", title);
        box.tabIndex = -1;
        box.append(make("h4", title), ...paragraphs.map((words, k) => {
            const paragraph = make("p");
            paragraph.append(make("b", HEADS[k]), " " + words);
            return paragraph;
        }));
        return box;
    }

    function menu(opener) {
        const {run, acts} = JSON.parse(opener.dataset.acts);
        const box = make("div", "", "popup acts");
        box.setAttribute("role", "menu");
        for (const [act, words] of Object.entries(acts)) {
            const entry = make("button", words);
            entry.setAttribute("role", "menuitem");
            entry.addEventListener("click", () => {
                close(true);
                window.dash_clientside.set_props("latent-act", {data: {run, act, when: Date.now()}});
            });
            box.append(entry);
        }
        return box;
    }

    function place(box, opener) {
        const at = opener.getBoundingClientRect();
        const [width, height] = [document.documentElement.clientWidth, document.documentElement.clientHeight];
        const left = Math.max(MARGIN, Math.min(at.right - box.offsetWidth, width - box.offsetWidth - MARGIN));
        const below = at.bottom + 4;
        const fits = below + box.offsetHeight <= height - MARGIN || at.top < box.offsetHeight + MARGIN;
        box.style.left = `${left + window.scrollX}px`;
        box.style.top = `${(fits ? below : at.top - box.offsetHeight - 4) + window.scrollY}px`;
    }

    function close(focus) {
        if (!shown) return;
        const {opener, box} = shown;
        shown = null;
        box.remove();
        opener.removeAttribute("aria-expanded");
        if (focus) opener.focus();
    }

    function open(opener) {
        const box = opener.dataset.about ? caption(opener) : menu(opener);
        document.body.append(box);
        place(box, opener);
        opener.setAttribute("aria-expanded", "true");
        shown = {opener, box};
        (box.querySelector("button") || box).focus({preventScroll: true});
    }

    document.addEventListener("click", (event) => {
        if (shown && shown.box.contains(event.target)) return;
        const opener = event.target.closest?.("button[data-about], button[data-acts]");
        const known = shown && shown.opener;
        close(false);
        if (opener && opener !== known) open(opener);
    });

    document.addEventListener("keydown", (event) => {
        if (!shown) return;
        const entries = [...shown.box.querySelectorAll("button")];
        const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
        if (event.key === "Escape") close(true);
        if (event.key === "Tab") close(false);
        if (!step || !entries.length) return;
        event.preventDefault();
        const here = entries.indexOf(document.activeElement);
        entries[(here + step + entries.length) % entries.length].focus();
    });
})();
