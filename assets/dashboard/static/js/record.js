import {el} from "./dom.js";
import {address, hue, plain, time} from "./format.js";

// row returns a list item for a record of the API: one line, and behind it
// everything that is known, built when somebody opens it, which onopen is told.
export function row(record, {fresh, onopen}) {
	const {path, host} = address(record.url);
	const details = el("details", {ontoggle() {
		if (!details.open) return;
		if (details.lastChild === summary) details.append(detail(record));
		onopen();
	}});
	const summary = el("summary", {class: fresh ? "fresh" : null},
		el("time", {datetime: record.at}, time(record.at)),
		el("span", {class: "type", "data-type": record.type}, plain(record.type)),
		el("span", {class: "where"}, plain(record.title) || path, el("small", {}, record.title ? path : host)),
		el("span", {class: "flags"}, ...list(record.flags).map(flag => el("span", {class: "flag"}, plain(flag)))),
		visit(record));
	details.append(summary);
	return el("li", {"data-id": record.id, "data-type": record.type}, details);
}

// visit marks the events of one tab: a colour, and the end of its id, as an id may begin with the time.
function visit(record) {
	const session = plain(record.session);
	const mark = el("span", {class: "visit", hidden: session ? null : ""}, el("span", {class: "unseen"}, "Visit "), session.slice(-6));
	mark.style.setProperty("--hue", hue(session));
	return mark;
}

function detail(record) {
	const facts = [
		["Happened", record.at], ["Arrived", record.received_at], ["Site", record.site], ["URL", record.url],
		["Title", record.title], ["Came from", record.referrer], ["Language", record.lang], ["Chat", record.chat_id],
		["Visitor", record.user_id], ["Session", record.session], ["Page view", record.page],
		["Number", record.seq], ["Event", record.id], ["Address", record.client],
	].filter(([, value]) => value !== undefined && value !== null && value !== "");
	return el("div", {class: "detail"},
		el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, plain(value))])),
		el("pre", {tabindex: "0", "aria-label": "Object"}, plain(JSON.stringify(record.object, null, 2))));
}

// haystack returns what a search looks through.
export function haystack(record) {
	return JSON.stringify(record).toLowerCase();
}

function list(value) {
	return Array.isArray(value) ? value : [];
}
