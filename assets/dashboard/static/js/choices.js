import {byID, el, say} from "./dom.js";
import {plain} from "./format.js";
import * as state from "./state.js";

// offer adds value to the choices of select, up to a number that can still be read.
export function offer(select, value) {
	if (select.options.length > 100 || [...select.options].some(option => option.value === value)) return;
	select.append(el("option", {value}, plain(value)));
}

// Choices are the controls for site and range. onchoose is told what is asked from then on.
export class Choices {
	constructor(onchoose) {
		this.onchoose = onchoose;
		this.asked = state.read();
		this.show();
		byID("site").addEventListener("change", event => this.choose({site: event.target.value}));
		byID("flagged").addEventListener("change", event => this.choose({flagged: event.target.checked}));
		byID("choices").addEventListener("change", event => event.target.name === "range" && this.range(event.target.value));
		byID("choices").addEventListener("submit", event => event.preventDefault());
		byID("custom").addEventListener("submit", event => this.custom(event));
		addEventListener("popstate", () => this.follow());
	}

	choose(part) {
		state.write({...this.asked, ...part});
		this.follow();
	}

	// follow takes over what the address says.
	follow() {
		const asked = state.read();
		if (state.same(asked, this.asked)) return;
		this.asked = asked;
		this.show();
		this.onchoose(asked);
	}

	show() {
		const {range, site, since, until, flagged} = this.asked;
		if (site) offer(byID("site"), site);
		byID("site").value = site;
		byID("choices").elements.range.value = range;
		byID("flagged").checked = flagged;
		byID("custom").hidden = range !== "custom";
		if (range === "custom") {
			byID("since").value = local(since);
			byID("until").value = local(until);
		}
		document.title = site ? plain(site) + " – ctlive" : "ctlive";
		this.offerSites([]);
	}

	// offerSites shows the selector only where there is something to select.
	offerSites(sites) {
		for (const site of sites) offer(byID("site"), site);
		byID("site-choice").hidden = byID("site").options.length < 3 && !this.asked.site;
	}

	// range turns to a preset; for a range of one's own it opens the fields, filled with what was shown.
	range(range) {
		byID("custom").hidden = range !== "custom";
		if (range !== "custom") return this.choose({range});
		byID("since").value ||= local(this.shown?.since ?? Date.now() - 7 * 24 * 3600e3);
		byID("until").value ||= local(this.shown?.until ?? Date.now());
		byID("since").focus();
	}

	custom(event) {
		event.preventDefault();
		const since = new Date(byID("since").value), until = new Date(byID("until").value);
		const wrong = since < until ? "" : "“From” has to be before “To”.";
		say(byID("custom-error"), wrong);
		if (!wrong) this.choose({range: "custom", since: utc(since), until: utc(until)});
	}
}

function utc(moment) {
	return moment.toISOString().replace(".000Z", "Z");
}

// local is a moment as an <input type="datetime-local"> has it.
function local(moment) {
	const at = new Date(moment);
	return new Date(at - at.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);
}
