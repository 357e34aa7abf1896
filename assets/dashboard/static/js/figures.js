import {byID, el} from "./dom.js";
import {count, plain} from "./format.js";
import {TYPES, family} from "./types.js";

const MAX_TYPES = 24; // a stranger can invent types without end

// What the listener counts by itself; the other reasons read as they are.
const REASONS = {
	refused: "not believed by the listener",
	dropped: "dropped in the page for want of room",
};

// total sums the counts of all sites: a map from type to number, the known types
// first and in order, whether they occurred or not.
export function total(counts) {
	const sums = new Map(TYPES.map(type => [type, 0]));
	for (const {type, events} of counts) sums.set(type, (sums.get(type) ?? 0) + events);
	return sums;
}

// Figures shows the counts. A tile is also a switch: onpick is told the type.
export class Figures {
	constructor(onpick) {
		this.onpick = onpick;
		this.sums = new Map(TYPES.map(type => [type, 0]));
		this.picked = "";
		this.read = false; // until then, the numbers are unknown, not zero
		this.tiles = new Map();
		this.render();
	}

	show({counts, losses}) {
		this.sums = total(counts);
		this.read = true;
		this.render();
		this.renderLosses(losses);
		this.fail("");
	}

	// fail says why there are no new figures; the old ones stay.
	fail(reason) {
		const line = byID("figures-error");
		if (line.textContent !== reason) line.textContent = reason;
		line.hidden = !reason;
	}

	pick(type) {
		this.picked = type;
		for (const [name, {button}] of this.tiles) button.setAttribute("aria-pressed", name === type);
	}

	// render changes the numbers in place, so that focus stays where it is.
	render() {
		const shown = [...this.sums].slice(0, MAX_TYPES);
		const most = Math.max(1, ...shown.map(([, n]) => n));
		for (const [type, n] of shown) {
			const tile = this.tile(type);
			tile.count.textContent = this.read ? count(n) : "–";
			tile.bar.style.setProperty("--share", n / most);
		}
		for (const [type, {item}] of this.tiles) item.hidden = !shown.some(([name]) => name === type);
		const all = [...this.sums.values()].reduce((sum, n) => sum + n, 0);
		byID("total").textContent = all ? count(all) + " in all" : "";
	}

	tile(type) {
		const known = this.tiles.get(type);
		if (known) return known;
		const number = el("span", {class: "count"});
		const bar = el("span", {class: "bar-of"});
		const button = el("button", {class: "tile", type: "button", "data-type": type, "data-family": family(type),
			"aria-pressed": type === this.picked, onclick: () => this.onpick(type === this.picked ? "" : type)},
			el("span", {class: "type"}, plain(type)), number, bar);
		const item = el("li", {}, button);
		byID(family(type) === "unknown" ? "others" : "tiles").append(item);
		const tile = {item, button, count: number, bar};
		this.tiles.set(type, tile);
		return tile;
	}

	renderLosses(losses) {
		const sums = new Map();
		for (const {reason, count: n} of losses) sums.set(reason, (sums.get(reason) ?? 0) + n);
		const items = [...sums].map(([reason, n]) => el("span", {}, el("b", {}, count(n)), " " + (REASONS[reason] ?? plain(reason).replaceAll("_", " "))));
		byID("losses").replaceChildren(...(items.length
			? [el("span", {}, "Not stored as events, since the beginning:"), ...items]
			: ["Nothing was rejected or lost."]));
	}
}
