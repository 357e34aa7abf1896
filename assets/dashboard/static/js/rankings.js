import {byID} from "./dom.js";
import {address, count, plain, share} from "./format.js";
import {Table} from "./table.js";

// Clicks shows what visitors choose in the widget.
export class Clicks {
	constructor() {
		this.table = new Table(byID("clicks"), [
			{title: "Choice", kind: "head", text: row => plain(row.kind) || "not said", bar: row => row.n / row.most},
			{title: "Clicks", kind: "number", text: row => count(row.n)},
			{title: "Share", kind: "number", class: "part", text: row => share(row.n, row.all)},
		], {attributes: () => ({"data-type": "WidgetClicked"}), none: "Nobody has clicked the widget in this range."});
	}

	show({clicks}) {
		const all = clicks.reduce((sum, {n}) => sum + n, 0);
		const most = Math.max(1, ...clicks.map(({n}) => n));
		this.table.show(clicks.map(click => ({...click, all, most})));
	}
}

const FIRST = 8; // pages, until somebody wants all

// Pages shows where chats start.
export class Pages {
	constructor() {
		this.table = new Table(byID("pages"), [
			{title: "Page", kind: "head", text: row => row.path, small: row => row.host, bar: row => row.chats / row.most},
			{title: "Chats", kind: "number", text: row => count(row.chats)},
			{title: "Page views", kind: "number", text: row => count(row.views)},
			{title: "Rate", kind: "number", class: "part", text: row => share(row.chats, row.views)},
		], {attributes: () => ({"data-type": "ChatStarted"}), none: "No page has been seen in this range."});
		this.all = false;
		byID("all-pages").addEventListener("click", () => this.showAll());
	}

	show(report) {
		this.report = report;
		const {pages} = report;
		const most = Math.max(1, ...pages.map(({chats}) => chats));
		const hosts = new Set(pages.map(({url}) => address(url).host));
		this.table.show(pages.slice(0, this.all ? pages.length : FIRST).map(page => {
			const {host, path} = address(page.url);
			return {...page, most, path: plain(path), host: hosts.size > 1 ? plain(host) : ""};
		}));
		byID("all-pages").hidden = this.all || pages.length <= FIRST;
	}

	showAll() {
		this.all = true;
		this.show(this.report);
		byID("pages").focus();
	}
}
