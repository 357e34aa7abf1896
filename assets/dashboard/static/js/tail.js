import {byID} from "./dom.js";
import {count} from "./format.js";
import {haystack, row} from "./record.js";

const KEEP = 200; // rows; a busy site must not fill the browser

// Tail shows the latest events, the newest first. Events come in faster than a
// screen is drawn, so they wait and are drawn together.
export class Tail {
	// onjudge is told how many events are kept, null while that is not known.
	constructor(onjudge) {
		this.onjudge = onjudge;
		this.records = []; // shown, the newest first
		this.waiting = []; // not yet, the oldest first
		this.missed = 0; // that came while paused, those no longer kept among them
		this.paused = false;
		this.text = "";
		this.narrowed = false; // only some site's or type's events are asked for
		this.settled = false; // the past has been read: from now on, events are new
		this.frame = 0;
		byID("pause").addEventListener("click", () => this.pause(!this.paused));
		byID("text").addEventListener("input", event => this.search(event.target.value));
	}

	// reset begins anew.
	reset(narrowed) {
		this.narrowed = narrowed;
		this.paused = false;
		this.records = [];
		this.waiting = [];
		this.missed = 0;
		this.settled = false;
		byID("tail").replaceChildren();
		byID("no-events").hidden = byID("no-match").hidden = true;
		this.label();
	}

	add(record) {
		this.waiting.push(record);
		if (this.waiting.length > KEEP) this.waiting.shift();
		if (this.paused) {
			this.missed++;
			this.label();
			return;
		}
		this.frame ||= requestAnimationFrame(() => this.draw());
	}

	// settle is called when the connection stands: if nothing has come soon after, there is nothing.
	settle() {
		setTimeout(() => {
			this.settled = true;
			this.judge();
		}, 500);
	}

	pause(paused) {
		this.paused = paused;
		this.missed = 0;
		this.label();
		if (!paused) this.draw();
	}

	label() {
		const button = byID("pause");
		button.setAttribute("aria-pressed", this.paused);
		button.textContent = !this.paused ? "Pause" : this.missed ? "Resume, " + count(this.missed) + " new" : "Resume";
	}

	search(text) {
		this.text = text.trim().toLowerCase();
		byID("tail").replaceChildren(...this.rows(this.records, false));
		this.judge();
	}

	// rows builds what matches. A row that is opened must not be carried off by new ones.
	rows(records, fresh) {
		const onopen = () => this.paused || this.pause(true);
		return records.filter(record => this.matches(record)).map(record => row(record, {fresh, onopen}));
	}

	matches(record) {
		return !this.text || haystack(record).includes(this.text);
	}

	draw() {
		this.frame = 0;
		const known = new Set(this.records.map(record => record.id));
		const news = this.waiting.filter(({id}) => !known.has(id) && known.add(id)).reverse();
		this.waiting = [];
		this.records = [...news, ...this.records].slice(0, KEEP);
		const list = byID("tail");
		list.prepend(...this.rows(news, this.settled));
		while (list.children.length > KEEP) list.lastChild.remove();
		this.judge();
	}

	// judge says how much is shown, and helps where it is nothing.
	judge() {
		const shown = byID("tail").children.length;
		const all = this.records.length;
		const none = this.settled && shown === 0;
		byID("no-match").hidden = !none || (all === 0 && !this.narrowed);
		byID("no-events").hidden = !none || all > 0 || this.narrowed;
		this.onjudge(this.settled ? all : null);
		byID("shown").textContent = !all ? "" : shown < all
			? count(shown) + " of the latest " + count(all)
			: all < KEEP ? count(all) + (all === 1 ? " event" : " events") : "the latest " + count(all);
	}
}
