import {tick, compact} from "./format.js";

const {uPlot} = globalThis; // a classic script, which defines a global

const plots = new Set();
const probe = document.createElement("span");
const scheme = matchMedia("(prefers-color-scheme: dark)");

scheme.addEventListener("change", () => {
	for (const plot of plots) plot.chart?.redraw(false);
});

// colour resolves a colour of the style sheet for a canvas, where it counts: a
// canvas knows no variables.
export function colour(element, value) {
	element.append(probe);
	probe.style.color = value;
	const resolved = getComputedStyle(probe).color;
	probe.remove();
	return resolved;
}

// Plot is a chart in box that follows its width. options are uPlot's without size.
export class Plot {
	constructor(box, options) {
		this.box = box;
		this.options = options;
		plots.add(this);
		new ResizeObserver(() => this.fit()).observe(box);
	}

	show(data) {
		this.data = data;
		if (this.chart) this.chart.setData(data);
		else this.fit();
	}

	// rebuild is for other series than before.
	rebuild(options, data) {
		this.chart?.destroy();
		this.chart = null;
		this.options = options;
		this.show(data);
	}

	fit() {
		const width = this.box.clientWidth;
		const {height} = this.options;
		if (!width || !this.data) return;
		if (!this.chart) this.chart = new uPlot({...this.options, width}, this.data, this.box);
		else if (this.chart.width !== width) this.chart.setSize({width, height});
	}
}

// counts are the options of a chart of counts. x and series are uPlot's;
// label tells what an x axis says at its ticks.
export function counts(box, {height, x, series, axis = {}, sync, hover, hooks = {}}) {
	const muted = () => colour(box, "var(--muted)");
	const line = () => colour(box, "var(--line)");
	const font = "11px system-ui, sans-serif";
	return {
		height,
		ms: 1,
		padding: [8, 20, 0, 0], // a label at the right end is half outside
		legend: {show: false},
		scales: {x, y: {range: (u, min, max) => [0, Math.max(max ?? 0, 1)]}},
		cursor: {y: false, drag: {x: false, y: false}, points: {size: 7, width: 2}, sync: sync ? {key: sync} : undefined},
		series: [{}, ...series],
		axes: [
			{stroke: muted, font, size: 22, gap: 4, grid: {show: false}, ticks: {show: false}, ...axis},
			{
				stroke: muted, font, gap: 4, ticks: {show: false}, grid: {stroke: line, width: 1},
				size: 40, space: 26, incrs: [1, 2, 5].flatMap(n => Array.from({length: 9}, (_, e) => n * 10 ** e)).sort((a, b) => a - b),
				values: (u, splits) => splits.map(compact),
			},
		],
		hooks: {...hooks, setCursor: hover ? [u => hover(u.cursor.left >= 0 ? u.cursor.idx : null)] : []},
	};
}

// overTime are the options of counts by time: buckets that begin at their x.
export function overTime(box, options) {
	return counts(box, {
		x: {time: true},
		axis: {values: (u, splits, i, space, step) => splits.map(ms => tick(ms, step)), space: 64},
		...options,
	});
}

// stepped draws a bucket as wide as it is.
export function stepped(...arguments_) {
	return uPlot.paths.stepped({align: 1})(...arguments_);
}

export function bars(...arguments_) {
	return uPlot.paths.bars({size: [0.86, 64]})(...arguments_);
}

// times returns when each bucket of a report begins, and where the last one ends.
export function times({start, step}, n) {
	return Array.from({length: n + 1}, (_, i) => start + i * step);
}

// closed repeats the last count where its bucket ends, so that it is drawn to there.
export function closed(list) {
	return [...list, list.at(-1) ?? 0];
}
