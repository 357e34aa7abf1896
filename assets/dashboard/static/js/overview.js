import {byID, el, mark, say} from "./dom.js";
import {big, change, count, duration, share} from "./format.js";
import {compared, views} from "./report.js";

// FIGURES in the order in which they stand. value is null where there is none;
// less says that a smaller one is better.
const FIGURES = [
	{title: "Page views", value: report => views(report, "listener"), show: big,
		note: report => ratio(report.chats.started, views(report, "listener"), "led to a chat")},
	{title: "Chats started", value: ({chats}) => chats.started, show: big,
		note: ({chats}) => chats.finished ? count(chats.finished) + " finished" : ""},
	{title: "Answered", value: ({chats}) => chats.online, show: big,
		note: ({chats}) => ratio(chats.online, chats.started, "of those started")},
	{title: "Missed", value: ({chats}) => chats.missed, show: big, less: true,
		note: ({chats}) => chats.waiting ? count(chats.waiting) + " waiting now" : ratio(chats.missed, chats.started, "of those started")},
	{title: "Median wait", value: ({chats}) => chats.wait?.n ? chats.wait.median : null, show: duration, less: true,
		note: ({chats}) => chats.wait?.n ? "p95 " + duration(chats.wait.p95) : ""},
	{title: "Median duration", value: ({chats}) => chats.duration?.n ? chats.duration.median : null, show: duration, neutral: true,
		note: ({chats}) => chats.duration?.n ? "p95 " + duration(chats.duration.p95) : ""},
];

function ratio(n, all, what) {
	return all ? share(n, all) + " " + what : "";
}

// Overview is the line of key figures, each with its change from the previous range.
export class Overview {
	constructor() {
		this.cells = FIGURES.map(({title}) => ({
			value: el("span", {class: "value"}, "–"), change: el("span", {class: "change"}), note: el("span"), title,
		}));
		byID("key").replaceChildren(...this.cells.map(({title, ...cell}) =>
			el("div", {}, el("dt", {}, title), el("dd", {}, cell.value, el("p", {class: "note"}, cell.change, " ", cell.note)))));
	}

	show(report) {
		const before = compared(report) && report.previous;
		FIGURES.forEach((figure, i) => {
			const cell = this.cells[i];
			const now = figure.value(report);
			say(cell.value, now === null ? "–" : figure.show(now));
			say(cell.note, figure.note(report));
			showChange(cell.change, figure, now, before && figure.value(before));
		});
	}
}

function showChange(element, {less, neutral}, now, before) {
	const text = now === null || !before ? "" : change(now, before);
	const better = less ? now < before : now > before;
	say(element, text);
	mark(element, "data-tone", neutral || now === before || !text ? null : better ? "good" : "bad");
	mark(element, "title", text ? "compared with the previous range" : null);
}
