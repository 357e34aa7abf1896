import {advice} from "./advice.js";
import {byID} from "./dom.js";
import {change, count, plain, share} from "./format.js";
import {compared, empty} from "./report.js";
import {Table} from "./table.js";

const NAMES = {
	injected: "Page injected", listener: "Listener ran", Loaded: "Library loaded", WidgetShown: "Widget shown",
	WidgetClicked: "Widget clicked", DatacollectionStarted: "Data collection started",
	ChatStarted: "Chat started", ChatOnline: "Chat online", ChatFinished: "Chat finished",
};

// Funnel shows from page to chat how many go on, in page views and in chats, and
// what to do while nobody does.
export class Funnel {
	constructor() {
		this.table = new Table(byID("funnel"), [
			{title: "Step", kind: "head", text: row => NAMES[row.step] ?? plain(row.step), bar: row => row.views / row.most},
			{title: "", class: "bar", text: () => "", bar: row => row.views / row.most, was: row => row.was === null ? null : row.was / row.most},
			{title: "Page views", kind: "number", text: row => count(row.views)},
			{title: "Rate", kind: "number", class: "part", text: row => share(row.views, row.viewsAbove)},
			{title: "Chats", kind: "number", text: row => row.chats === null ? "" : count(row.chats)},
			{title: "Rate", kind: "number", class: "part", text: row => row.chats === null ? "" : share(row.chats, row.chatsAbove)},
			{title: "Change", kind: "number", class: "part", text: row => row.was === null ? "" : change(row.views, row.was)},
		], {attributes: row => ({"data-type": row.step})});
	}

	show(report, asked) {
		const {funnel, previous} = report;
		const what = advice(report, asked);
		if (what && empty(report) && !compared(report)) return this.table.show([], what);
		const before = new Map((compared(report) ? previous.funnel : []).map(line => [line.step, line.views]));
		const most = Math.max(1, ...funnel.map(line => line.views), ...before.values());
		this.table.show(funnel.map((line, i) => ({
			...line, most, was: before.get(line.step) ?? null,
			viewsAbove: funnel[i - 1]?.views ?? 0, chatsAbove: funnel[i - 1]?.chats ?? 0,
		})), what, Boolean(what));
	}
}
