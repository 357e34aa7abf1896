import * as api from "./api.js";
import {byID, el} from "./dom.js";
import {plain} from "./format.js";

// Explain asks why a page is injected, or why not.
export class Explain {
	constructor() {
		byID("explain").addEventListener("submit", event => {
			event.preventDefault();
			this.ask(byID("explain-url").value.trim());
		});
	}

	async ask(url) {
		this.url = url;
		this.say(el("p", {class: "note"}, "Fetching " + plain(url) + " …"));
		try {
			const answer = await api.explain(url);
			if (url === this.url) this.say(...(answer.error ? [wrong(answer.error)] : []), list(answer.findings ?? []));
		} catch (error) {
			if (url === this.url) this.say(wrong(error.message));
		}
	}

	say(...what) {
		byID("findings").replaceChildren(...what);
	}
}

function wrong(text) {
	return el("p", {class: "wrong"}, plain(text));
}

// list names each topic once.
function list(findings) {
	return el("dl", {}, ...findings.flatMap(({topic, text}, i) => [
		...(topic === findings[i - 1]?.topic ? [] : [el("dt", {}, plain(topic))]),
		el("dd", {}, plain(text)),
	]));
}
