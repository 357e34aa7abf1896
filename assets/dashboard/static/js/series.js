import {byID, el, mark, say} from "./dom.js";
import {big, bucket, count, plain} from "./format.js";
import {Plot, closed, colour, overTime, stepped, times} from "./plot.js";
import {Numbers} from "./table.js";
import {TYPES} from "./types.js";

// OTHERS is how a report names all types that the vendor's list does not have.
const OTHERS = "unknown";

// Series draws each type of event by itself: there are a hundred times as many
// Loaded as ChatStarted. The name of a type is a switch, which onpick is told.
export class Series {
	constructor(onpick) {
		this.onpick = onpick;
		this.picked = "";
		this.under = null; // index of the bucket under the pointer
		this.charts = new Map();
		this.numbers = new Numbers(byID("series-numbers"));
		for (const type of TYPES) this.chart(type);
	}

	show(report) {
		const {series, step} = report;
		const counts = new Map(series.map(line => [line.type, line.counts]));
		const buckets = Math.max(1, ...series.map(line => line.counts.length));
		this.times = times(report, buckets);
		this.step = step;
		for (const {type} of series) this.chart(type);
		for (const [type, chart] of this.charts) {
			chart.counts = counts.get(type) ?? Array(buckets).fill(0);
			chart.item.hidden = !counts.has(type) && !TYPES.includes(type);
			chart.plot.show([this.times, closed(chart.counts)]);
			this.read(chart);
		}
		this.numbers.show(() => table(report, this.times));
	}

	pick(type) {
		this.picked = type;
		for (const [name, {button}] of this.charts) if (name !== OTHERS) mark(button, "aria-pressed", name === type);
	}

	chart(type) {
		if (this.charts.has(type)) return;
		const button = type === OTHERS ? el("span", {class: "type"}, name(type)) : this.button(type);
		const number = el("b");
		const box = el("div", {class: "plot", "aria-hidden": "true"});
		const item = el("li", {"data-type": type}, el("div", {class: "line"}, button, number), box);
		const chart = {item, button, number, counts: []};
		chart.plot = new Plot(box, overTime(box, {
			height: 96,
			sync: "events",
			hover: index => {
				this.under = index;
				this.read(chart);
			},
			series: [{paths: stepped, width: 1.5, points: {show: false},
				stroke: () => colour(box, "var(--type)"), fill: () => colour(box, "color-mix(in srgb, var(--type) 16%, transparent)")}],
		}));
		byID("series").append(item);
		this.charts.set(type, chart);
	}

	button(type) {
		return el("button", {type: "button", class: "type", "aria-pressed": type === this.picked, title: "Show only these under “Live”",
			onclick: () => this.onpick(type === this.picked ? "" : type)}, el("span", {}, name(type)));
	}

	// read shows the count under the pointer, or that of the whole range.
	read(chart) {
		const i = this.under === null ? null : Math.min(this.under, chart.counts.length - 1);
		say(chart.number, big(i === null ? chart.counts.reduce((sum, n) => sum + n, 0) : chart.counts[i] ?? 0));
		say(byID("series-at"), i === null ? "each on its own scale" : bucket(this.times[i], this.step));
	}
}

function name(type) {
	return type === OTHERS ? "Other types" : plain(type);
}

function table({series, step}, times) {
	const columns = [{title: "From", kind: "head", text: row => bucket(row.at, step)},
		...series.map((line, i) => ({title: name(line.type), kind: "number", text: row => count(row.counts[i])}))];
	const rows = times.slice(0, -1).map((at, n) => ({at, counts: series.map(line => line.counts[n] ?? 0)}));
	return {columns, rows};
}
