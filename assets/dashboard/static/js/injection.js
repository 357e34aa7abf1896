import {byID, el, mark, say} from "./dom.js";
import {big, bucket, count, plain, share} from "./format.js";
import {Plot, closed, colour, overTime, stepped, times} from "./plot.js";
import {Numbers, Table} from "./table.js";

const DRAWN = 5; // kinds by themselves, the rest together

const REASONS = {
	"injected": "the listener is first in <head>",
	"method": "neither GET nor HEAD, or a HEAD",
	"status": "no body that is shown: a redirect, 204, 304",
	"not-html": "no HTML page",
	"no-transform": "the site forbids it: Cache-Control: no-transform",
	"attachment": "saved and not shown",
	"range": "only a part of a page",
	"encoding": "a content coding that cannot be read",
	"charset": "characters that cannot be read",
	"upgrade": "a WebSocket",
	"fetch": "fetched by a script",
	"frame": "shown in a frame",
	"excluded": "left out by the configuration",
	"opted-out": "left out by the site: CTLive: off",
	"already": "has a listener already",
	"amp": "AMP, which would become invalid",
	"xhtml": "XHTML",
	"not-a-document": "no HTML markup at its start",
	"csp": "its policy lets no script run, or none report",
	"empty": "an empty page",
	"broken": "its encoding is corrupt",
};

const NO_PAGES = "No page has come through ctlive in this range. Open one of your site through it.";
const NO_PAGES_OF_EDGES = "No edge has told of pages in this range.";

// Injection shows what became of the pages, and how far the listener got in them.
export class Injection {
	constructor() {
		this.reasons = new Table(byID("reasons"), [
			{title: "Result", kind: "head", text: row => name(row), small: row => REASONS[row.reason || row.result] ?? "", bar: row => row.n / row.most},
			{title: "Answers", kind: "number", text: row => count(row.n)},
			{title: "Share", kind: "number", class: "part", text: row => share(row.n, row.all)},
		], {attributes: row => ({"data-tone": row.tone}), none: NO_PAGES});
		this.reach = ["Injected", "Listener ran", "Library loaded"].map(title => ({title, value: el("span", {class: "value"}, "–"), note: el("span", {class: "note"})}));
		byID("reach").replaceChildren(...this.reach.map(({title, value, note}) => el("div", {}, el("dt", {}, title), el("dd", {}, value, note))));
		this.plot = new Plot(byID("injection-plot"), {});
		this.numbers = new Numbers(byID("injection-numbers"));
		this.drawn = "";
	}

	show(report) {
		const {results, listener, loaded} = report.injection;
		const all = results.reduce((sum, {n}) => sum + n, 0);
		const injected = results.filter(({result}) => result === "injected").reduce((sum, {n}) => sum + n, 0);
		const most = Math.max(1, ...results.map(({n}) => n));
		const lines = together(report.injection.series);
		const drawn = lines.map(line => line.name);
		this.reasons.show([...results].sort((a, b) => (b.result === "injected") - (a.result === "injected") || b.n - a.n)
			.map(row => ({...row, most, all, tone: drawn.includes(name(row)) ? drawn.indexOf(name(row)) : DRAWN})), report.shared ? NO_PAGES_OF_EDGES : NO_PAGES);
		const values = [[injected, "pages"], [listener, injected ? share(Math.min(listener, injected), injected) + " of the injected" : "page views"], [loaded, listener ? share(loaded, listener) + " of those" : "page views"]];
		values.forEach(([n, note], i) => {
			say(this.reach[i].value, big(n));
			say(this.reach[i].note, note);
		});
		this.judge(injected, listener, loaded);
		this.draw(report, lines);
	}

	// judge says what the numbers mean.
	judge(injected, listener, loaded) {
		const silent = Math.max(0, listener - loaded);
		const [tone, text] = !injected && !listener ? [null, ""]
			: !listener ? ["bad", "Pages were injected, but no listener has reported. Explain one of them: a policy of the page may forbid it."]
			: silent ? [silent * 20 > listener ? "bad" : "warn", `In ${count(silent)} page ${silent === 1 ? "view" : "views"} (${share(silent, listener)}) the listener ran but the CTLive library never reported Loaded: blockers or a broken installation look like this.`]
			: ["good", "In every page view whose listener ran, the CTLive library reported Loaded."];
		say(byID("gap"), text);
		mark(byID("gap"), "data-tone", tone);
		byID("gap").hidden = !text;
	}

	draw(report, lines) {
		const buckets = Math.max(1, ...lines.map(line => line.counts.length));
		const at = times(report, buckets);
		const stacked = stack(lines);
		const data = [at, ...stacked.map(closed).reverse()];
		byID("injection-plot").hidden = byID("injection-legend").hidden = byID("injection-numbers").hidden = lines.length === 0;
		if (this.drawn !== JSON.stringify(lines.map(line => line.name))) {
			this.drawn = JSON.stringify(lines.map(line => line.name));
			byID("injection-legend").replaceChildren(...lines.map((line, i) => el("li", {class: "type", "data-tone": i}, line.name)));
			this.plot.rebuild(options(byID("injection-plot"), lines.length), data);
		} else {
			this.plot.show(data);
		}
		this.numbers.show(() => ({
			columns: [{title: "From", kind: "head", text: row => bucket(row.at, report.step)},
				...lines.map((line, i) => ({title: line.name, kind: "number", text: row => count(row.counts[i])}))],
			rows: at.slice(0, -1).map((moment, n) => ({at: moment, counts: lines.map(line => line.counts[n] ?? 0)})),
		}));
	}
}

function name({result, reason}) {
	return reason ? plain(reason) : plain(result);
}

// together keeps the kinds that matter most, the injected pages first, and adds up the rest.
function together(series) {
	const lines = series.map(({reason, counts}) => ({name: plain(reason) || "injected", counts, sum: counts.reduce((sum, n) => sum + n, 0)}))
		.filter(({sum}) => sum > 0)
		.sort((a, b) => (b.name === "injected") - (a.name === "injected") || b.sum - a.sum);
	if (lines.length <= DRAWN + 1) return lines;
	const rest = lines.splice(DRAWN);
	return [...lines, {name: "other reasons", counts: rest[0].counts.map((n, i) => rest.reduce((sum, line) => sum + (line.counts[i] ?? 0), 0))}];
}

// stack adds to each line those below it.
function stack(lines) {
	let below = [];
	return lines.map(({counts}) => below = counts.map((n, i) => n + (below[i] ?? 0)));
}

// options for n stacked lines: the highest is painted first, the others over it.
function options(box, n) {
	return overTime(box, {
		height: 170,
		series: Array.from({length: n}, (_, i) => ({paths: stepped, width: 0, points: {show: false}, fill: () => colour(box, `var(--tone-${n - 1 - i})`)})),
	});
}
