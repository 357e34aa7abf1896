import {byID, el, say} from "./dom.js";
import {big, change, count, duration, share} from "./format.js";
import {Plot, bars, colour, counts} from "./plot.js";
import {compared} from "./report.js";
import {Numbers} from "./table.js";

// Distribution shows median, 95th percentile and buckets of a length of time.
export class Distribution {
	constructor(name) {
		this.name = name;
		this.stats = null;
		this.median = el("b", {}, "–");
		this.p95 = el("b", {}, "–");
		this.of = el("p", {class: "note"});
		this.box = el("div", {class: "plot", "aria-hidden": "true"});
		const title = byID(name).querySelector("h3").textContent + " as a table";
		const details = el("details", {}, el("summary", {}, title), el("table"));
		byID(name).append(el("p", {class: "percentiles"}, el("span", {}, this.median, " median"), el("span", {}, this.p95, " p95")), this.of, this.box, details);
		this.numbers = new Numbers(details);
		this.plot = new Plot(this.box, this.options());
	}

	show({chats, previous}) {
		const stats = this.stats = chats[this.name];
		const before = compared({previous}) ? previous.chats[this.name] : null;
		say(this.median, stats.n ? duration(stats.median) : "–");
		say(this.p95, stats.n ? duration(stats.p95) : "–");
		const changed = stats.n && before?.n ? change(stats.median, before.median) : "";
		say(this.of, stats.n ? "of " + count(stats.n) + " chats" + (changed ? ", median " + changed : "") : "no chat in this range");
		this.box.hidden = this.numbers.details.hidden = !stats.n;
		this.plot.show([stats.buckets.map((bucket, i) => i), stats.buckets.map(({n}) => n)]);
		this.numbers.show(() => this.table());
	}

	options() {
		return counts(this.box, {
			height: 170,
			x: {time: false, range: (u, min, max) => [-0.5, Math.max(max ?? 0, 0) + 0.5]},
			axis: {
				splits: () => (this.stats?.buckets ?? []).map((bucket, i) => i),
				values: (u, splits) => splits.map(i => i % Math.ceil(splits.length * 48 / u.bbox.width * devicePixelRatio) ? "" : this.label(i)),
			},
			series: [{paths: bars, width: 0, points: {show: false}, fill: () => colour(this.box, "var(--type)")}],
			hooks: {draw: [u => this.marks(u)]},
		});
	}

	label(i) {
		const {to} = this.stats.buckets[i];
		return to ? "≤ " + duration(to) : "more";
	}

	// marks draws lines where the median and the 95th percentile are.
	marks(u) {
		if (!this.stats?.n) return;
		const {ctx, bbox} = u;
		ctx.save();
		for (const at of [this.stats.median, this.stats.p95]) {
			const x = Math.round(u.valToPos(this.place(at), "x", true)) + 0.5;
			ctx.beginPath();
			ctx.moveTo(x, bbox.top);
			ctx.lineTo(x, bbox.top + bbox.height);
			for (const [name, width, dash] of [["--page", 3, []], ["--ink", 1, [4, 3]]]) {
				ctx.strokeStyle = colour(this.box, `var(${name})`);
				ctx.lineWidth = width * devicePixelRatio;
				ctx.setLineDash(dash.map(n => n * devicePixelRatio));
				ctx.stroke();
			}
		}
		ctx.restore();
	}

	// place is where ms stands on the axis, on which every bucket is as wide as the others.
	place(ms) {
		const {buckets} = this.stats;
		const i = buckets.findIndex(({to}) => !to || ms < to);
		if (i < 0) return buckets.length - 0.5;
		const from = buckets[i - 1]?.to ?? 0, {to} = buckets[i];
		return i - 0.5 + (to ? (ms - from) / (to - from) : 0.5);
	}

	table() {
		const {buckets, n: all} = this.stats;
		return {
			columns: [{title: "Up to", kind: "head", text: row => row.to ? duration(row.to) : "longer"},
				{title: "Chats", kind: "number", text: row => count(row.n)},
				{title: "Share", kind: "number", text: row => share(row.n, all)}],
			rows: buckets,
		};
	}
}

// Missed shows the chats that nobody answered.
export class Missed {
	show({chats: {missed, started, waiting, missed_after: after}}) {
		say(byID("missed"), big(missed));
		say(byID("missed-share"), started ? share(missed, started) + " of " + count(started) + " started" : "no chat was started");
		say(byID("missed-meaning"), "Missed: started and not online within " + duration(after) + ". An answer that comes later takes that back."
			+ (waiting ? " " + count(waiting) + (waiting === 1 ? " waits" : " wait") + " at the moment." : ""));
	}
}
