"use strict";

(function () {
    const NARROW = 1200;
    // From left to right; in a narrow window what matters most comes first, the rest by scrolling.
    const FIRST = ["label", "corpus", "seed", "status", "verdict", "kl", "mi", "au", "cu"];
    let usual = null;

    function runsFit({api}) {
        const narrow = window.innerWidth < NARROW;
        const now = api.getAllGridColumns().map((c) => c.getColId());
        usual = usual || now;
        const rest = usual.filter((id) => !FIRST.includes(id));
        const selection = rest.filter((id) => id.startsWith("ag-Grid"));
        const wanted = narrow ? [...selection, ...FIRST, ...rest.filter((id) => !selection.includes(id))] : usual;
        if (wanted.join() === now.join()) return;
        api.moveColumns(wanted, 0);
        const verdict = narrow ? {flex: null, width: 290} : {flex: 1};
        api.applyColumnState({state: [{colId: "verdict", ...verdict}]});
    }

    async function fit(id) {
        runsFit({api: await window.dash_ag_grid.getApiAsync(id)});
        return window.innerWidth;
    }

    window.dash_clientside = Object.assign({}, window.dash_clientside, {runs: {fit}});
    window.dashAgGridFunctions = Object.assign({}, window.dashAgGridFunctions, {runsFit});
})();
