import {byID, el, mark, say} from "./dom.js";
import {compact, count, day, hour} from "./format.js";
import {Numbers} from "./table.js";

const DAYS = [0, 1, 2, 3, 4, 5, 6], HOURS = [...Array(24).keys()];
const LEVELS = 5;

// Hours is the heat map of a week, Monday first.
export class Hours {
	constructor() {
		this.cells = DAYS.map(() => HOURS.map(() => el("i")));
		const rows = DAYS.map(d => [el("span", {class: "day"}, day(d, "short")), ...this.cells[d]]);
		const foot = [el("span"), ...HOURS.filter(h => h % 6 === 0).map(h => el("span", {class: "hour"}, hour(h)))];
		byID("hours").replaceChildren(...rows.flat(), ...foot);
		this.numbers = new Numbers(byID("hours-numbers"));
	}

	show({hours}) {
		const most = Math.max(0, ...hours.flat());
		for (const d of DAYS) for (const h of HOURS) {
			const n = hours[d]?.[h] ?? 0;
			mark(this.cells[d][h], "data-level", n && Math.ceil(n / most * LEVELS));
			mark(this.cells[d][h], "title", day(d) + " " + hour(h) + ": " + count(n));
		}
		say(byID("busiest"), busiest(hours, most));
		this.numbers.show(() => ({
			columns: [{title: "Hour", kind: "head", text: row => hour(row.hour)},
				...DAYS.map(d => ({title: day(d, "short"), kind: "number", text: row => compact(hours[d]?.[row.hour] ?? 0)}))],
			rows: HOURS.map(hour => ({hour})),
		}));
	}
}

function busiest(hours, most) {
	if (!most) return "no chat in this range";
	const d = hours.findIndex(row => row.includes(most)), h = hours[d].indexOf(most);
	return "busiest: " + day(d) + ", " + hour(h) + "–" + hour((h + 1) % 24) + ", " + count(most);
}
